// The activations of a forward pass: buffers that grow to the largest batch seen and are then reused.
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

// Consecutive rows of one sequence that attention takes together.
struct QueryTile {
  int first, count;
};

// Per thread.
struct ThreadScratch {
  ActivationBuffer input;      // a single token's input, prepared by each thread for itself
  AlignedBuffer normed;        // [max cols]
  AlignedBuffer unit;          // outputs of the unit of work at hand (two of them for gate and up)
  AlignedBuffer matmul;        // the kernels' own
  AlignedBuffer scores;        // attention
  std::vector<float> largest;  // of the head's estimates
};

// Used by one forward pass at a time.
class Workspace {
 public:
  Workspace(const Weights& weights, int threads);

  // Makes room for `rows` rows, `outputs` of them with an output, over contexts of up to `context` tokens.
  // Where memory ends, the workspace stays usable: the next call starts from nothing.
  void reserve(int rows, int outputs, int context);
  std::size_t bytes() const noexcept;

  std::vector<BatchRow> rows;
  std::vector<int> outputs;             // indices of the rows whose final hidden state is wanted, ascending
  std::vector<QueryTile> tiles;         // of all rows
  std::vector<QueryTile> output_tiles;  // of the output rows, numbered in `outputs`

  float* x = nullptr;          // [rows][hidden] residual stream
  float* q = nullptr;          // [rows][heads * head_dim] queries, scaled
  float* attention = nullptr;  // [rows][heads * head_dim]
  float* angles = nullptr;     // [rows][head_dim] RoPE cosines and sines
  float* hidden = nullptr;     // [outputs][hidden] after the final norm

  ActivationBuffer input;      // of q/k/v, o, gate/up and the head
  ActivationBuffer ffn_input;  // of down
  std::vector<ThreadScratch> threads;
  std::vector<float> energy;         // of the hidden state's blocks
  std::vector<float> margin;         // [vocab] what an estimated logit may be off by
  std::vector<std::uint8_t> marked;  // [vocab] tokens whose logits are wanted in any case; zero between calls
  // The next free unit of each phase of a pass. A layer has up to kLayerPhases phases; the last one up to
  // kLastLayerPhases, since it prepares and projects the output rows again; then the embedding and the final norm.
  static constexpr int kLayerPhases = 8, kLastLayerPhases = 10, kOtherPhases = 2;
  std::vector<std::atomic<int>> work_counters;
  int phases = 0;  // counters that the last pass used

  // Floats in one of a unit's two output buffers.
  static constexpr int kUnitFloats = 1 << 14;
  std::size_t unit_floats() const noexcept { return unit_floats_; }

 private:
  void grow(int rows, int outputs, int context);

  const Weights& weights_;
  int rows_reserved_ = 0, outputs_reserved_ = 0, context_reserved_ = 0;
  std::size_t unit_floats_ = 0;
  AlignedBuffer memory_, hidden_memory_;
};

// Forms of input that the weights ask for: of everything but `down`, and of `down`.
unsigned hidden_formats(const Weights& weights) noexcept;
unsigned ffn_formats(const Weights& weights) noexcept;

}  // namespace qwen::model
