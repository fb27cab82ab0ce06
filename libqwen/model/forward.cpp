#include "model/forward.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "kernels/pack.h"
#include "model/activations.h"
#include "model/config.h"

namespace qwen::model {
namespace {

using kernels::Activations;
using kernels::kMaxQueries;
using kernels::Matrix;

// Every thread of the pool runs the same pass over the layers. Barriers separate the phases; within a phase
// the threads share units of work (some rows of a matrix, a KV head of a few tokens). docs/kernels.md lists
// the phases.
class Pass {
 public:
  Pass(const ExecContext& exec, Workspace& ws)
      : w_(exec.weights),
        shape_(exec.weights.shape),
        kernel_(exec.kernels),
        pool_(exec.pool),
        ws_(ws),
        threads_(exec.pool.size()),
        q_dim_(query_dim(shape_)),
        group_(group_size(shape_)) {}

  void run(int thread) {
    thread_ = thread;
    scratch_ = &ws_.threads[static_cast<std::size_t>(thread)];
    embed();
    pool_.barrier();
    int rows = static_cast<int>(ws_.rows.size());
    for (int i = 0; i < shape_.layers; ++i) {
      const LayerWeights& layer = w_.layers[static_cast<std::size_t>(i)];
      const bool last = i + 1 == shape_.layers;
      rows = attention_part(layer, i, rows, last);
      if (rows == 0) return;
      feed_forward_part(layer, rows);
    }
    final_norm();
  }

  // Work counters used so far.
  int phases() const noexcept { return phase_; }

 private:
  // Calls fn(begin, end) until all of [0, count) is done, `chunk` at a time. Three quarters of the units belong
  // to a thread by position, so that it streams through its part of a matrix; free threads take the others.
  template <class Fn>
  void parallel_for(int count, int chunk, const Fn& fn) {
    std::atomic<int>& counter = ws_.work_counters[next_counter()];
    const int units = ceil_div(count, chunk);
    const int static_share = units * 3 / 4 / threads_;
    for (int i = 0; i < static_share; ++i) run_unit(thread_ * static_share + i, count, chunk, fn);
    for (int i = static_share * threads_ + counter.fetch_add(1, std::memory_order_relaxed); i < units;
         i = static_share * threads_ + counter.fetch_add(1, std::memory_order_relaxed))
      run_unit(i, count, chunk, fn);
  }
  template <class Fn>
  static void run_unit(int unit, int count, int chunk, const Fn& fn) {
    fn(unit * chunk, std::min(count, (unit + 1) * chunk));
  }
  // Every thread of a pass calls parallel_for equally often, so the n-th call uses counter n on each of them.
  std::size_t next_counter() noexcept {
    assert(phase_ < static_cast<int>(ws_.work_counters.size()));
    return static_cast<std::size_t>(phase_++);
  }

  // Rows of a matrix in one unit: enough to stream, few enough to divide evenly and to fit the unit buffers.
  int unit_rows(int matrix_rows, int tokens) const {
    const int fits = static_cast<int>(ws_.unit_floats() / static_cast<std::size_t>(tokens)) / 32 * 32;
    const int fair =
        static_cast<int>(round_up(static_cast<std::size_t>(ceil_div(matrix_rows, threads_ * 8)), 32));
    return std::max(32, std::min(fits, fair));
  }

  void matmul(const Matrix& matrix, const Activations& input, int begin, int end, float* out,
              std::size_t stride) {
    kernel_.matmul(matrix, input, begin, end, out, stride, scratch_->matmul.as<std::byte>());
  }

  float* unit_buffer(int index) {
    return scratch_->unit.as<float>(static_cast<std::size_t>(index) * ws_.unit_floats() * sizeof(float));
  }

  // The activations of `tokens` rows. row(token, buffer) returns a row's floats, in `buffer` or elsewhere. With
  // a single token each thread prepares its own copy; more tokens are shared among the threads and need a
  // barrier.
  template <class RowFn>
  Activations prepare(int tokens, int cols, const RowFn& row) {
    float* buffer = scratch_->normed.as<float>();
    if (tokens == 1) {
      const Activations view = scratch_->input.view(1, cols);
      store_activations(kernel_, view, 0, 0, row(0, buffer), cols);
      return view;
    }
    const Activations view = ws_.input.view(tokens, cols);
    parallel_for(tokens, 4, [&](int begin, int end) {
      for (int t = begin; t < end; ++t) store_activations(kernel_, view, t, 0, row(t, buffer), cols);
    });
    pool_.barrier();
    return view;
  }

  Activations prepare_normed(const float* norm, int tokens) {
    return prepare(tokens, shape_.hidden, [&](int t, float* buffer) {
      kernel_.rms_norm(x(t), norm, shape_.rms_eps, shape_.hidden, buffer);
      return buffer;
    });
  }

  float* x(int t) { return ws_.x + static_cast<std::size_t>(t) * static_cast<std::size_t>(shape_.hidden); }
  float* query(int t, int head) {
    return ws_.q + static_cast<std::size_t>(t) * static_cast<std::size_t>(q_dim_) + head * shape_.head_dim;
  }
  float* attended(int t, int head) {
    return ws_.attention + static_cast<std::size_t>(t) * static_cast<std::size_t>(q_dim_) +
           head * shape_.head_dim;
  }
  float* angles(int t) {
    return ws_.angles + static_cast<std::size_t>(t) * static_cast<std::size_t>(shape_.head_dim);
  }

  void embed() {
    parallel_for(static_cast<int>(ws_.rows.size()), 4, [&](int begin, int end) {
      for (int t = begin; t < end; ++t) {
        const BatchRow& row = ws_.rows[static_cast<std::size_t>(t)];
        kernels::load_row(w_.embedding, row.token, x(t));
        rope_angles(row.position, angles(t));
      }
    });
  }

  // In double: float angles are off by whole degrees at long positions.
  void rope_angles(int position, float* out) const {
    const int half = shape_.head_dim / 2;
    const RopeTable& rope = w_.rope;
    for (int i = 0; i < half; ++i) {
      const double angle = position * rope.frequencies[static_cast<std::size_t>(i)];
      out[i] = static_cast<float>(std::cos(angle) * rope.magnitude);
      out[half + i] = static_cast<float>(std::sin(angle) * rope.magnitude);
    }
  }

  // Attention and its output projection; returns the number of rows left. Once the last layer has stored its
  // keys and values, only the output rows are needed: they are moved to the front.
  int attention_part(const LayerWeights& layer, int index, int rows, bool last) {
    const int outputs = static_cast<int>(ws_.outputs.size());
    const bool shrink = last && outputs < rows;
    const Activations input = prepare_normed(layer.attn_norm, rows);
    if (shrink) {
      project_heads(layer, index, input, rows, /*queries=*/false, /*keys=*/true);
      pool_.barrier();
      if (outputs == 0) return 0;
      gather_outputs();
      pool_.barrier();
      const Activations query_input = prepare_normed(layer.attn_norm, outputs);
      project_heads(layer, index, query_input, outputs, /*queries=*/true, /*keys=*/false);
      pool_.barrier();
      rows = outputs;
    } else {
      project_heads(layer, index, input, rows, true, true);
      if (!heads_are_owned(rows)) pool_.barrier();
    }
    attend(index, shrink, rows);
    pool_.barrier();
    project(layer.o, prepare(rows, q_dim_, [&](int t, float*) { return attended(t, 0); }), rows);
    pool_.barrier();
    return rows;
  }

  // True if the KV heads of a single token divide evenly among the threads. Then each thread computes queries,
  // keys, values and attention of its own heads, without a barrier between them.
  bool heads_are_owned(int rows) const { return rows == 1 && shape_.kv_heads % threads_ == 0; }

  void project_heads(const LayerWeights& layer, int index, const Activations& input, int rows, bool queries,
                     bool keys) {
    const int per_group = (queries ? group_ : 0) + (keys ? 2 : 0);
    const auto unit = [&](int begin, int end) {
      for (int u = begin; u < end; ++u) {
        const int kv_head = u / per_group, r = u % per_group;
        if (queries && r < group_) {
          query_head(layer, input, rows, kv_head * group_ + r);
        } else {
          key_value_head(layer, index, input, rows, kv_head, /*key=*/r == per_group - 2);
        }
      }
    };
    const int units = shape_.kv_heads * per_group;
    if (heads_are_owned(rows)) {
      next_counter();
      unit(units * thread_ / threads_, units * (thread_ + 1) / threads_);
    } else {
      parallel_for(units, 1, unit);
    }
  }

  // Adds the bias, normalizes and rotates one head's vector; null pointers skip a step.
  void finish_head(float* head, const float* bias, const float* norm, const float* angles) {
    if (bias != nullptr) kernel_.add(head, bias, shape_.head_dim);
    if (norm != nullptr) kernel_.rms_norm(head, norm, shape_.rms_eps, shape_.head_dim, head);
    if (angles != nullptr) kernel_.rope(head, angles, shape_.head_dim);
  }

  void query_head(const LayerWeights& layer, const Activations& input, int rows, int head) {
    const int dim = shape_.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
    matmul(layer.q, input, head * dim, (head + 1) * dim, query(0, head), static_cast<std::size_t>(q_dim_));
    for (int t = 0; t < rows; ++t) {
      float* q = query(t, head);
      finish_head(q, layer.q_bias != nullptr ? layer.q_bias + head * dim : nullptr, layer.q_norm, angles(t));
      for (int i = 0; i < dim; ++i) q[i] *= scale;
    }
  }

  void key_value_head(const LayerWeights& layer, int index, const Activations& input, int rows, int head,
                      bool key) {
    const int dim = shape_.head_dim;
    float* out = unit_buffer(0);
    matmul(key ? layer.k : layer.v, input, head * dim, (head + 1) * dim, out, static_cast<std::size_t>(dim));
    const float* bias = key ? layer.k_bias : layer.v_bias;
    for (int t = 0; t < rows; ++t, out += dim) {
      const BatchRow& row = ws_.rows[static_cast<std::size_t>(t)];
      finish_head(out, bias != nullptr ? bias + head * dim : nullptr, key ? layer.k_norm : nullptr,
                  key ? angles(t) : nullptr);
      if (key) {
        row.cache->store_key(index, head, row.position, out);
      } else {
        row.cache->store_value(index, head, row.position, out);
      }
    }
  }

  // Moves the residual stream and the angles of the output rows to the front. Thread 0 does it: they are few.
  void gather_outputs() {
    if (thread_ != 0) return;
    for (std::size_t i = 0; i < ws_.outputs.size(); ++i) {
      const int from = ws_.outputs[i], to = static_cast<int>(i);
      if (from == to) continue;
      std::memcpy(x(to), x(from), static_cast<std::size_t>(shape_.hidden) * sizeof(float));
      std::memcpy(angles(to), angles(from), static_cast<std::size_t>(shape_.head_dim) * sizeof(float));
    }
  }

  // One unit: up to kMaxQueries queries, of the heads of one group and the tokens of one tile. The group of a
  // single token is cut further if there are more threads than KV heads.
  void attend(int index, bool only_outputs, int rows) {
    const std::vector<QueryTile>& tiles = only_outputs ? ws_.output_tiles : ws_.tiles;
    int cuts = ceil_div(group_, kMaxQueries);
    if (rows == 1) cuts = std::max(cuts, std::min(group_, threads_ / shape_.kv_heads));
    const int per_tile = shape_.kv_heads * cuts;
    const auto unit = [&](int begin, int end) {
      for (int u = begin; u < end; ++u) {
        const QueryTile& tile = tiles[static_cast<std::size_t>(u / per_tile)];
        const int kv_head = u % per_tile / cuts, cut = u % cuts;
        attend_tile(index, only_outputs, tile, kv_head, kv_head * group_ + group_ * cut / cuts,
                    kv_head * group_ + group_ * (cut + 1) / cuts);
      }
    };
    const int units = static_cast<int>(tiles.size()) * per_tile;
    if (heads_are_owned(rows)) {
      next_counter();
      unit(units * thread_ / threads_, units * (thread_ + 1) / threads_);
    } else {
      parallel_for(units, 1, unit);
    }
  }

  void attend_tile(int index, bool only_outputs, const QueryTile& tile, int kv_head, int head_begin,
                   int head_end) {
    const float* queries[kMaxQueries];
    float* outs[kMaxQueries];
    int lengths[kMaxQueries];
    kernels::AttentionArgs task;
    for (int t = tile.first; t < tile.first + tile.count; ++t) {
      const int row_index = only_outputs ? ws_.outputs[static_cast<std::size_t>(t)] : t;
      const BatchRow& row = ws_.rows[static_cast<std::size_t>(row_index)];
      for (int head = head_begin; head < head_end; ++head) {
        queries[task.queries] = query(t, head);
        outs[task.queries] = attended(t, head);
        lengths[task.queries] = row.position + 1;
        ++task.queries;
      }
      task.kv = row.cache->head(index, kv_head);
    }
    task.head_dim = shape_.head_dim;
    task.q = queries;
    task.out = outs;
    task.lengths = lengths;
    task.scores = scratch_->scores.as<float>();
    kernel_.attention(task);
  }

  // x += matrix input
  void project(const Matrix& matrix, const Activations& input, int rows) {
    parallel_for(shape_.hidden, unit_rows(shape_.hidden, rows), [&](int begin, int end) {
      float* out = unit_buffer(0);
      const int n = end - begin;
      matmul(matrix, input, begin, end, out,
             static_cast<std::size_t>(round_up(static_cast<std::size_t>(n), 16)));
      for (int t = 0; t < rows; ++t)
        kernel_.add(x(t) + begin,
                    out + static_cast<std::size_t>(t) * round_up(static_cast<std::size_t>(n), 16), n);
    });
  }

  void feed_forward_part(const LayerWeights& layer, int rows) {
    const Activations input = prepare_normed(layer.ffn_norm, rows);
    const Activations down_input = ws_.ffn_input.view(rows, shape_.ffn);
    parallel_for(shape_.ffn, unit_rows(shape_.ffn, rows),
                 [&](int begin, int end) { gated_unit(layer, input, down_input, rows, begin, end); });
    pool_.barrier();
    project(layer.down, down_input, rows);
    pool_.barrier();
  }

  // Stores silu(gate) * up for rows [begin, end) of the two matrices in the activations of `down`.
  void gated_unit(const LayerWeights& layer, const Activations& input, const Activations& out, int rows,
                  int begin, int end) {
    const int n = end - begin;
    const std::size_t stride = round_up(static_cast<std::size_t>(n), 16);
    float* gate = unit_buffer(0);
    float* up = unit_buffer(1);
    matmul(layer.gate, input, begin, end, gate, stride);
    matmul(layer.up, input, begin, end, up, stride);
    for (int t = 0; t < rows; ++t, gate += stride, up += stride) {
      kernel_.silu_mul(gate, up, n);
      store_activations(kernel_, out, t, begin, gate, n);
    }
  }

  // The output rows are at the front: gathered in the last layer, or all rows are outputs.
  void final_norm() {
    parallel_for(static_cast<int>(ws_.outputs.size()), 1, [&](int begin, int end) {
      for (int t = begin; t < end; ++t)
        kernel_.rms_norm(x(t), w_.output_norm, shape_.rms_eps, shape_.hidden,
                         ws_.hidden + static_cast<std::size_t>(t) * static_cast<std::size_t>(shape_.hidden));
    });
  }

  const Weights& w_;
  const ModelShape& shape_;
  const kernels::Kernels& kernel_;
  ThreadPool& pool_;
  Workspace& ws_;
  const int threads_, q_dim_, group_;
  int thread_ = 0;
  int phase_ = 0;
  ThreadScratch* scratch_ = nullptr;
};

// Cuts rows [first, first + count) of one sequence into the tiles of attention.
void cut_tiles(std::vector<QueryTile>& tiles, int first, int count, int tile_tokens) {
  for (int i = 0; i < count; i += tile_tokens) tiles.push_back({first + i, std::min(tile_tokens, count - i)});
}

}  // namespace

void forward(const ExecContext& exec, Workspace& workspace, std::span<const SequenceInput> batch) {
  int rows = 0, outputs = 0, context = 0;
  for (const SequenceInput& sequence : batch) {
    rows += static_cast<int>(sequence.tokens.size());
    outputs += sequence.outputs;
    context = std::max(context, sequence.position + static_cast<int>(sequence.tokens.size()));
  }
  if (rows == 0) return;
  workspace.reserve(rows, outputs, context);
  workspace.rows.clear();
  workspace.outputs.clear();
  workspace.tiles.clear();
  workspace.output_tiles.clear();
  const int tile_tokens = std::max(1, kMaxQueries / group_size(exec.weights.shape));
  for (const SequenceInput& sequence : batch) {
    const int first = static_cast<int>(workspace.rows.size()),
              count = static_cast<int>(sequence.tokens.size());
    for (int i = 0; i < count; ++i)
      workspace.rows.push_back(
          {sequence.cache, sequence.position + i, sequence.tokens[static_cast<std::size_t>(i)]});
    cut_tiles(workspace.tiles, first, count, tile_tokens);
    cut_tiles(workspace.output_tiles, static_cast<int>(workspace.outputs.size()), sequence.outputs,
              tile_tokens);
    for (int i = count - sequence.outputs; i < count; ++i) workspace.outputs.push_back(first + i);
  }
  for (std::atomic<int>& counter : workspace.work_counters) counter.store(0, std::memory_order_relaxed);
  const Pass pass(exec, workspace);
  exec.pool.run([&](int thread) {
    Pass mine = pass;
    mine.run(thread);
    if (thread == 0) workspace.phases = mine.phases();
  });
}

}  // namespace qwen::model
