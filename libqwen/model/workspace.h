// The activations of a forward pass: buffers that grow to the largest batch seen and are then reused.
#pragma once
#include <atomic>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/matrix.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace qwen::model {

// One row of a batch: one token of one sequence.
struct Row {
  KvCache* cache;
  int position;
  Token token;
};

// Consecutive rows of one sequence that attention takes together.
struct RowTile {
  int first, count;
};

// Matrix input in every form that its consumers need.
class InputBuffer {
 public:
  void reserve(int tokens, int max_cols, unsigned forms);
  // The buffer, laid out for this many tokens and columns; within what was reserved.
  kernels::Input view(int tokens, int cols) const noexcept;
  std::size_t bytes() const noexcept { return memory_.size(); }

 private:
  AlignedBuffer memory_;
  unsigned forms_ = 0;
  int tokens_ = 0, cols_ = 0;
  std::size_t rows_at_ = 0, tiles_at_ = 0, q_at_ = 0, scale_at_ = 0, sum_at_ = 0;
};

// Per thread.
struct ThreadScratch {
  InputBuffer input;           // a single token's input, prepared by each thread for itself
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

  std::vector<Row> rows;
  std::vector<int> outputs;           // indices of the rows whose final hidden state is wanted, ascending
  std::vector<RowTile> tiles;         // of all rows
  std::vector<RowTile> output_tiles;  // of the output rows, numbered in `outputs`

  float* x = nullptr;          // [rows][hidden] residual stream
  float* q = nullptr;          // [rows][heads * head_dim] queries, scaled
  float* attention = nullptr;  // [rows][heads * head_dim]
  float* angles = nullptr;     // [rows][head_dim] RoPE cosines and sines
  float* hidden = nullptr;     // [outputs][hidden] after the final norm

  InputBuffer input;      // of q/k/v, o, gate/up and the head
  InputBuffer ffn_input;  // of down
  std::vector<ThreadScratch> threads;
  std::vector<float> energy;         // of the hidden state's blocks
  std::vector<float> margin;         // [vocab] what an estimated logit may be off by
  std::vector<std::uint8_t> marked;  // [vocab] tokens whose logits are wanted in any case; zero between calls
  // Claimed units of each phase of a pass.
  std::vector<std::atomic<int>> claims;

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
unsigned hidden_forms(const Weights& weights) noexcept;
unsigned ffn_forms(const Weights& weights) noexcept;

}  // namespace qwen::model
