#include "model/lm_head.h"

#include <Eigen/Core>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "kernels/panel.h"
#include "model/activations.h"

namespace qwen::model {
namespace {

using kernels::Activations;
using kernels::kPanelRows;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Rows of the head that a thread claims at once.
int claim_rows(const ExecContext& exec) {
  return static_cast<int>(round_up(
      static_cast<std::size_t>(ceil_div(exec.weights.shape.embedding_rows, exec.pool.size() * 32)), 32));
}

std::byte* matmul_scratch(Workspace& workspace, int thread) {
  return workspace.threads[static_cast<std::size_t>(thread)].matmul.as<std::byte>();
}

// The `count` largest of the values seen so far, the smallest of them in front. `heap` has room for one more.
class TopK {
 public:
  explicit TopK(std::vector<float>& heap, int count) : heap_(heap), count_(static_cast<std::size_t>(count)) {
    heap_.clear();
  }
  float bar() const { return heap_.size() < count_ ? -kInfinity : heap_.front(); }
  void offer(float value) {
    if (!(value > bar())) return;
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

// The lower halves of the codes differ from 7.5 by -7.5 to 7.5, evenly: variance 255 / 12. Two estimates are
// told apart where they differ by six standard deviations of the difference, which is at most the sum of 6 /
// sqrt(2) of each.
constexpr float kVariance = 255.0f / 12.0f * 36.0f / 2.0f;

// Of each block of activations: scale^2 * sum of q^2, times the factor above.
void block_energies(const Activations& input, std::vector<float>& energy) {
  for (std::size_t b = 0; b < energy.size(); ++b) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < kernels::kBlock; ++i) {
      const std::int32_t q = input.q[b * kernels::kBlock + i];
      sum += q * q;
    }
    energy[b] = kVariance * static_cast<float>(sum) * input.scale[b] * input.scale[b];
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

void lm_head_top_k(const ExecContext& exec, Workspace& workspace, const float* hidden, int rows, int count,
                   std::span<const Token> also, float* logits) {
  const Weights& weights = exec.weights;
  // Beyond this the choice costs more than it saves.
  constexpr int kMaxChosen = 1024;
  if (!has_two_plane_head(weights) || count > kMaxChosen || also.size() > kMaxChosen)
    return lm_head_logits(exec, workspace, hidden, 1, logits,
                          round_up(static_cast<std::size_t>(weights.shape.embedding_rows), kPanelRows));

  const Activations input = workspace.input.view(1, weights.shape.hidden);
  // All memory is taken here: an exception must not leave a thread of the pool, nor a mark behind.
  std::vector<std::uint8_t>& marked = workspace.marked;
  marked.resize(static_cast<std::size_t>(weights.shape.embedding_rows));
  std::vector<float>& margin = workspace.margin;
  margin.resize(round_up(static_cast<std::size_t>(rows), kPanelRows));
  workspace.energy.resize(static_cast<std::size_t>(input.cols / kernels::kBlock));
  for (ThreadScratch& thread : workspace.threads) thread.largest.reserve(static_cast<std::size_t>(count) + 1);
  for (const Token token : also) marked[static_cast<std::size_t>(token)] = 1;
  std::atomic<int> next{0}, next_exact{0};
  const int unit = claim_rows(exec);
  float bar = 0;
  exec.pool.run([&](int thread) {
    if (thread == 0) {
      store_activations(exec.kernels, input, 0, 0, hidden, weights.shape.hidden);
      block_energies(input, workspace.energy);
    }
    exec.pool.barrier();
    // Estimates, and the count-th largest of what the logits are at least.
    TopK largest(workspace.threads[static_cast<std::size_t>(thread)].largest, count);
    for (int begin = next.fetch_add(unit); begin < rows; begin = next.fetch_add(unit)) {
      const int end = std::min(rows, begin + unit);
      exec.kernels.estimate(weights.lm_head, input, workspace.energy.data(), begin, end, logits + begin,
                            margin.data() + begin);
      for (int panel = begin; panel < end; panel += kPanelRows) {
        const Panel at_least = panel_at(logits + panel) - panel_at(margin.data() + panel);
        if (!(at_least.maxCoeff() > largest.bar())) continue;
        for (int row = panel; row < std::min(end, panel + kPanelRows); ++row)
          if (marked[static_cast<std::size_t>(row)] == 0) largest.offer(at_least[row - panel]);
      }
    }
    exec.pool.barrier();
    if (thread == 0) {
      for (std::size_t i = 1; i < workspace.threads.size(); ++i)
        for (const float value : workspace.threads[i].largest) largest.offer(value);
      bar = largest.bar();
    }
    exec.pool.barrier();
    // Panels with a row that may reach the bar are computed in full.
    constexpr int kRows = 64 * kPanelRows;
    for (int first = next_exact.fetch_add(kRows); first < rows; first = next_exact.fetch_add(kRows))
      for (int begin = first; begin < std::min(rows, first + kRows); begin += kPanelRows) {
        const int end = std::min(rows, begin + kPanelRows);
        const Panel at_most = panel_at(logits + begin) + panel_at(margin.data() + begin);
        bool wanted = !(at_most.maxCoeff() < bar);
        for (int row = begin; row < end; ++row) wanted |= marked[static_cast<std::size_t>(row)] != 0;
        if (wanted)
          exec.kernels.matmul(weights.lm_head, input, begin, end, logits + begin, kPanelRows,
                              matmul_scratch(workspace, thread));
        else
          std::fill(logits + begin, logits + end, -kInfinity);
      }
  });
  std::fill(logits + rows, logits + weights.shape.embedding_rows, -kInfinity);
  for (const Token token : also) marked[static_cast<std::size_t>(token)] = 0;
}

}  // namespace qwen::model
