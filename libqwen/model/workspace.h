// The buffers of a forward pass. They grow to the largest batch seen and are reused.
#pragma once
#include <atomic>
#include <vector>

#include "base/aligned_buffer.h"
#include "model/activations.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace qwen::model {

// One row of a batch: one token of one sequence.
struct BatchRow {
  KvCache* cache;
  int position;
  Token token;
};

// Consecutive rows of one sequence whose queries attend together.
struct QueryTile {
  int first, count;
};

// Buffers of one thread.
struct ThreadScratch {
  ActivationBuffer input;      // of a single token: each thread prepares its own
  AlignedBuffer normed;        // [max cols]
  AlignedBuffer unit;          // [2][unit_floats] outputs of one unit of work
  AlignedBuffer matmul;        // scratch of the kernels
  AlignedBuffer scores;        // [kMaxQueries][context]
  std::vector<float> largest;  // lm_head_top_k: the largest logits
};

// Used by one forward pass at a time.
class Workspace {
 public:
  Workspace(const Weights& weights, int threads);

  // Makes room for `rows` rows, `outputs` of them with an output, over contexts of up to `context` tokens.
  // Throws out_of_memory; the workspace stays usable.
  void reserve(int rows, int outputs, int context);
  std::size_t bytes() const noexcept;

  std::vector<BatchRow> rows;
  std::vector<int> outputs;             // rows that get a final hidden state, ascending
  std::vector<QueryTile> tiles;         // of all rows
  std::vector<QueryTile> output_tiles;  // of the output rows, as indices of `outputs`

  float* x = nullptr;          // [rows][hidden] residual stream
  float* q = nullptr;          // [rows][heads * head_dim] queries, scaled
  float* attention = nullptr;  // [rows][heads * head_dim]
  float* angles = nullptr;     // [rows][head_dim] RoPE cosines and sines
  float* hidden = nullptr;     // [outputs][hidden] after the final norm

  ActivationBuffer input;      // of q/k/v, o, gate/up and the head
  ActivationBuffer ffn_input;  // of down
  std::vector<ThreadScratch> threads;
  std::vector<std::uint8_t>
      marked;  // [vocab] lm_head_top_k: tokens to include in any case; zero between calls
  // The next free unit of each phase of a pass. A layer has up to kLayerPhases phases; the last one up to
  // kLastLayerPhases, since it prepares and projects the output rows again; then the embedding and the final norm.
  static constexpr int kLayerPhases = 8, kLastLayerPhases = 10, kOtherPhases = 2;
  std::vector<std::atomic<int>> work_counters;
  int phases = 0;  // counters that the last pass used

  // Size of one of a thread's two unit buffers.
  static constexpr int kUnitFloats = 1 << 14;
  std::size_t unit_floats() const noexcept { return unit_floats_; }

 private:
  void grow(int rows, int outputs, int context);

  const Weights& weights_;
  int rows_reserved_ = 0, outputs_reserved_ = 0, context_reserved_ = 0;
  std::size_t unit_floats_ = 0;
  AlignedBuffer memory_, hidden_memory_;
};

// The formats (kernels::ActivationFormat) that the matrices need: all but `down`, and `down`.
unsigned hidden_formats(const Weights& weights) noexcept;
unsigned ffn_formats(const Weights& weights) noexcept;

}  // namespace qwen::model
