#include "model/lm_head.h"

#include <Eigen/Core>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "kernels/pack.h"
#include "kernels/panel.h"
#include "model/activations.h"

namespace qwen::model {
namespace {

using kernels::Activations;
using kernels::kPanelRows;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Rows of the head that a thread takes at once.
int claim_rows(const ExecContext& exec) {
  return static_cast<int>(round_up(
      static_cast<std::size_t>(ceil_div(exec.weights.shape.embedding_rows, exec.pool.size() * 32)), 32));
}

std::byte* matmul_scratch(Workspace& workspace, int thread) {
  return workspace.threads[static_cast<std::size_t>(thread)].matmul.as<std::byte>();
}

// The `count` largest of the values seen so far. `heap` has room for one more.
class TopK {
 public:
  explicit TopK(std::vector<float>& heap, int count) : heap_(heap), count_(static_cast<std::size_t>(count)) {
    heap_.clear();
  }
  // Goes on with a heap that holds `kept` values.
  TopK(std::vector<float>& heap, int count, std::size_t kept)
      : heap_(heap), count_(static_cast<std::size_t>(count)) {
    heap_.resize(kept);
  }
  // The smallest of them; minus infinity while there are fewer than `count`.
  float threshold() const { return heap_.size() < count_ ? -kInfinity : heap_.front(); }
  void offer(float value) {
    if (!(value > threshold())) return;
    heap_.push_back(value);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    if (heap_.size() <= count_) return;
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
  }

 private:
  std::vector<float>& heap_;
  std::size_t count_;
};

void raise(std::atomic<float>& threshold, float value) noexcept {
  float seen = threshold.load(std::memory_order_relaxed);
  while (value > seen && !threshold.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

using Panel = Eigen::Array<float, kPanelRows, 1>;
Eigen::Map<const Panel> panel_at(const float* x) {
  return Eigen::Map<const Panel>(x);
}

}  // namespace

void lm_head_logits(const ExecContext& exec, Workspace& workspace, const float* hidden, int count,
                    float* logits, std::size_t stride) {
  const ModelShape& shape = exec.weights.shape;
  workspace.input.reserve(count, shape.hidden, hidden_formats(exec.weights));
  const Activations input = workspace.input.view(count, shape.hidden);
  std::atomic<int> next{0};
  const int unit = claim_rows(exec);
  exec.pool.run([&](int thread) {
    if (thread == 0)
      for (int t = 0; t < count; ++t)
        store_activations(exec.kernels, input, t, 0,
                          hidden + static_cast<std::size_t>(t) * static_cast<std::size_t>(shape.hidden),
                          shape.hidden);
    exec.pool.barrier();
    for (int begin = next.fetch_add(unit); begin < shape.embedding_rows; begin = next.fetch_add(unit))
      exec.kernels.matmul(exec.weights.lm_head, input, begin, std::min(shape.embedding_rows, begin + unit),
                          logits + begin, stride, matmul_scratch(workspace, thread));
  });
}

void lm_head_logits_for(const ExecContext& exec, Workspace& workspace, const float* hidden,
                        std::span<const Token> tokens, float* out) {
  const ModelShape& shape = exec.weights.shape;
  const Activations input = workspace.threads[0].input.view(1, shape.hidden);
  store_activations(exec.kernels, input, 0, 0, hidden, shape.hidden);
  float panel[kPanelRows];
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const int begin = tokens[i] / kPanelRows * kPanelRows;
    exec.kernels.matmul(exec.weights.lm_head, input, begin,
                        std::min(shape.embedding_rows, begin + kPanelRows), panel, kPanelRows,
                        matmul_scratch(workspace, 0));
    out[i] = panel[tokens[i] % kPanelRows];
  }
}

bool has_two_plane_head(const Weights& weights) noexcept {
  return weights.lm_head.type == kernels::kQ8TwoPlane;
}

namespace {

// One thread's part of lm_head_top_k. Every panel is approximated from the high nibbles; rows that the error
// bound does not exclude are completed while the panel's sums are in the cache. `threshold` is the count-th
// largest exact logit of some thread so far: at most the one of all rows, so no row that matters is excluded.
class TwoPlaneScan {
 public:
  TwoPlaneScan(const ExecContext& exec, Workspace& workspace, const Activations& input, int rows, int count,
               bool has_marks, int thread, std::atomic<float>& threshold, float* logits)
      : kernels_(exec.kernels),
        head_(exec.weights.lm_head),
        input_(input),
        norm_(kernels::activation_norm(input)),
        rows_(rows),
        has_marks_(has_marks),
        marked_(workspace.marked),
        top_(workspace.threads[static_cast<std::size_t>(thread)].largest, count),
        scratch_(matmul_scratch(workspace, thread)),
        threshold_(threshold),
        logits_(logits) {}

  void panel(int row) noexcept {
    float* out = logits_ + row;
    auto* sums = reinterpret_cast<std::int32_t*>(scratch_);
    kernels_.approx_logits(head_, input_, row, out, sums);
    const int count = std::min(kPanelRows, rows_ - row);
    const float threshold = threshold_.load(std::memory_order_relaxed);
    const Panel bound = panel_at(head_.low_norm + row) * norm_ + kTiny;
    const Panel at_most = panel_at(out) + bound;
    // Written so that NaN and infinity are never excluded; kHuge keeps the sums of excluded rows finite.
    unsigned wanted = 0;
    if (!((at_most < threshold).all() && (bound < kHuge).all()))
      for (int i = 0; i < kPanelRows; ++i)
        wanted |= static_cast<unsigned>(!(at_most[i] < threshold && bound[i] < kHuge)) << i;
    unsigned marked = 0;
    if (has_marks_)
      for (int i = 0; i < count; ++i)
        marked |= static_cast<unsigned>(marked_[static_cast<std::size_t>(row + i)]) << i;
    wanted = (wanted | marked) & ((1u << count) - 1);
    if (wanted == 0) {
      std::fill(out, out + kPanelRows, -kInfinity);
      return;
    }
    complete(row, count, wanted, sums);
    for (int i = 0; i < kPanelRows; ++i) {
      if ((wanted >> i & 1) == 0) {
        out[i] = -kInfinity;
      } else if ((marked >> i & 1) == 0) {
        top_.offer(out[i]);
      }
    }
    raise(threshold_, top_.threshold());
  }

 private:
  static constexpr float kTiny = 1e-35f;  // more than what subnormal products lose
  static constexpr float kHuge = 1e30f;

  void complete(int row, int count, unsigned wanted, std::int32_t* sums) noexcept {
    // Beyond half of the rows the ordinary kernel is faster.
    if (__builtin_popcount(wanted) <= kPanelRows / 2)
      return kernels_.complete_logits(head_, input_, row, wanted, sums, logits_ + row);
    kernels_.matmul(head_, input_, row, row + count, logits_ + row, kPanelRows, scratch_);
  }

  const kernels::Kernels& kernels_;
  const kernels::Matrix& head_;
  const Activations& input_;
  const float norm_;
  const int rows_;
  const bool has_marks_;
  const std::vector<std::uint8_t>& marked_;
  TopK top_;
  std::byte* scratch_;
  std::atomic<float>& threshold_;
  float* logits_;
};

}  // namespace

void lm_head_top_k(const ExecContext& exec, Workspace& workspace, const float* hidden, int rows, int count,
                   std::span<const Token> must_include, float* logits) {
  const Weights& weights = exec.weights;
  // Beyond this the choice costs more than it saves.
  constexpr int kMaxChosen = 1024;
  if (!has_two_plane_head(weights) || count > kMaxChosen || must_include.size() > kMaxChosen)
    return lm_head_logits(exec, workspace, hidden, 1, logits,
                          round_up(static_cast<std::size_t>(weights.shape.embedding_rows), kPanelRows));

  const Activations input = workspace.input.view(1, weights.shape.hidden);
  // All memory is allocated here: the pool's threads must not throw, and no mark may stay behind.
  std::vector<std::uint8_t>& marked = workspace.marked;
  marked.resize(static_cast<std::size_t>(weights.shape.embedding_rows));
  for (ThreadScratch& thread : workspace.threads) thread.largest.reserve(static_cast<std::size_t>(count) + 1);
  for (const Token token : must_include) marked[static_cast<std::size_t>(token)] = 1;
  std::atomic<int> next{0}, next_filter{0};
  std::atomic<float> threshold{-kInfinity};
  const int unit = claim_rows(exec);
  const bool has_marks = !must_include.empty();
  exec.pool.run([&](int thread) {
    if (thread == 0) store_activations(exec.kernels, input, 0, 0, hidden, weights.shape.hidden);
    exec.pool.barrier();
    TwoPlaneScan scan(exec, workspace, input, rows, count, has_marks, thread, threshold, logits);
    for (int begin = next.fetch_add(unit); begin < rows; begin = next.fetch_add(unit))
      for (int row = begin; row < std::min(rows, begin + unit); row += kPanelRows) scan.panel(row);
    exec.pool.barrier();
    if (thread == 0) {
      TopK all(workspace.threads[0].largest, count, workspace.threads[0].largest.size());
      for (std::size_t i = 1; i < workspace.threads.size(); ++i)
        for (const float value : workspace.threads[i].largest) all.offer(value);
      raise(threshold, all.threshold());
    }
    exec.pool.barrier();
    // Which rows were completed depends on the threads' timing; what stays does not.
    const float smallest = threshold.load(std::memory_order_relaxed);
    for (int begin = next_filter.fetch_add(unit); begin < rows; begin = next_filter.fetch_add(unit))
      for (int row = begin; row < std::min(rows, begin + unit); ++row)
        if (logits[row] < smallest && !(has_marks && marked[static_cast<std::size_t>(row)] != 0))
          logits[row] = -kInfinity;
  });
  std::fill(logits + rows, logits + weights.shape.embedding_rows, -kInfinity);
  for (const Token token : must_include) marked[static_cast<std::size_t>(token)] = 0;
}

}  // namespace qwen::model
