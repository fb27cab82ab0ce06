#include "model/workspace.h"

#include <algorithm>

#include "base/checked.h"
#include "kernels/table.h"
#include "model/config.h"

namespace qwen::model {
namespace {

std::size_t take(std::size_t& total, std::size_t bytes) {
  const std::size_t at = total;
  total = checked_add(total, round_up(bytes, 64), "activations");
  return at;
}

std::size_t floats(int a, int b) {
  return checked_mul(checked_mul(static_cast<std::size_t>(a), static_cast<std::size_t>(b), "activations"),
                     sizeof(float), "activations");
}

int padded_tokens(int tokens) {
  return static_cast<int>(
      round_up(static_cast<std::size_t>(tokens), static_cast<std::size_t>(kernels::tile_width(tokens))));
}

}  // namespace

void InputBuffer::reserve(int tokens, int max_cols, unsigned forms) {
  if (tokens <= tokens_ && max_cols <= cols_ && (forms & ~forms_) == 0) return;
  tokens_ = std::max(tokens, tokens_);
  cols_ = std::max(max_cols, cols_);
  forms_ |= forms;
  const int padded = padded_tokens(tokens_);
  std::size_t total = 0;
  if (forms_ & kernels::kInputRows) rows_at_ = take(total, floats(padded, cols_));
  if (forms_ & kernels::kInputTiles) tiles_at_ = take(total, floats(padded, cols_));
  if (forms_ & kernels::kInputQ8) {
    const int blocks = ceil_div(cols_, kernels::kBlock);
    q_at_ = take(total, floats(padded, blocks * kernels::kBlock) / 4);
    scale_at_ = take(total, floats(padded, blocks));
    sum_at_ = take(total, floats(padded, blocks * 2));
  }
  memory_ = AlignedBuffer();
  try {
    memory_ = AlignedBuffer(total);
  } catch (...) {
    tokens_ = cols_ = 0;  // nothing is there: the next call must not believe what this one wanted
    forms_ = 0;
    throw;
  }
}

kernels::Input InputBuffer::view(int tokens, int cols) const noexcept {
  // The kernels write through the same view; constness is theirs to keep.
  auto* base = const_cast<std::byte*>(memory_.data());
  kernels::Input input;
  input.tokens = tokens;
  input.cols = cols;
  input.width = kernels::tile_width(tokens);
  if (forms_ & kernels::kInputRows) input.rows = reinterpret_cast<float*>(base + rows_at_);
  if (forms_ & kernels::kInputTiles) input.tiles = reinterpret_cast<float*>(base + tiles_at_);
  if ((forms_ & kernels::kInputQ8) && cols % kernels::kBlock == 0) {
    input.q = reinterpret_cast<std::int8_t*>(base + q_at_);
    input.scale = reinterpret_cast<float*>(base + scale_at_);
    input.neg_sum = reinterpret_cast<std::int32_t*>(base + sum_at_);
  }
  return input;
}

unsigned hidden_forms(const Weights& weights) noexcept {
  unsigned forms = input_form(weights.head);
  for (const LayerWeights& layer : weights.layers)
    for (const kernels::Matrix* matrix : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up})
      forms |= input_form(*matrix);
  return forms;
}

unsigned ffn_forms(const Weights& weights) noexcept {
  unsigned forms = 0;
  for (const LayerWeights& layer : weights.layers) forms |= input_form(layer.down);
  return forms;
}

Workspace::Workspace(const Weights& weights, int thread_count)
    : threads(static_cast<std::size_t>(thread_count)),
      claims(static_cast<std::size_t>(weights.shape.layers) * 8 + 8),
      weights_(weights) {
  std::size_t scratch = kernels::matmul_scratch_bytes(weights.head);
  for (const LayerWeights& layer : weights.layers)
    for (const kernels::Matrix* matrix :
         {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      scratch = std::max(scratch, kernels::matmul_scratch_bytes(*matrix));
  const int width = std::max(weights.shape.hidden, query_dim(weights.shape));
  for (ThreadScratch& thread : threads) {
    thread.matmul = AlignedBuffer(scratch);
    thread.normed = AlignedBuffer(floats(width + 16, 1));
    thread.input.reserve(1, width, hidden_forms(weights));
  }
}

void Workspace::reserve(int row_count, int output_count, int context) {
  try {
    grow(row_count, output_count, context);
  } catch (...) {
    // Buffers are missing now. A later call, with more memory or for fewer rows, takes all of them anew.
    rows_reserved_ = outputs_reserved_ = context_reserved_ = 0;
    throw;
  }
}

void Workspace::grow(int row_count, int output_count, int context) {
  const ModelShape& shape = weights_.shape;
  const int q_dim = query_dim(shape);
  if (row_count > rows_reserved_) {
    rows_reserved_ = row_count;
    std::size_t total = 0;
    const std::size_t x_at = take(total, floats(row_count, shape.hidden));
    const std::size_t q_at = take(total, floats(row_count, q_dim));
    const std::size_t attention_at = take(total, floats(row_count, q_dim));
    const std::size_t angles_at = take(total, floats(row_count, shape.head_dim));
    memory_ = AlignedBuffer();
    memory_ = AlignedBuffer(total);
    x = memory_.as<float>(x_at);
    q = memory_.as<float>(q_at);
    attention = memory_.as<float>(attention_at);
    angles = memory_.as<float>(angles_at);
    input.reserve(row_count, std::max(shape.hidden, q_dim), hidden_forms(weights_));
    ffn_input.reserve(row_count, shape.ffn, ffn_forms(weights_));
    // A unit is at least one head or 32 rows wide, for all tokens; single tokens get longer units.
    unit_floats_ =
        std::max<std::size_t>(kUnitFloats, static_cast<std::size_t>(row_count) *
                                               static_cast<std::size_t>(std::max(32, shape.head_dim)));
    for (ThreadScratch& thread : threads) {
      thread.unit = AlignedBuffer();
      thread.unit = AlignedBuffer(2 * unit_floats_ * sizeof(float) + 64);
    }
    rows.reserve(static_cast<std::size_t>(row_count));
    tiles.reserve(static_cast<std::size_t>(row_count));
    outputs.reserve(static_cast<std::size_t>(row_count));
    output_tiles.reserve(static_cast<std::size_t>(row_count));
  }
  if (output_count > outputs_reserved_) {
    outputs_reserved_ = output_count;
    hidden_memory_ = AlignedBuffer();
    hidden_memory_ = AlignedBuffer(floats(output_count, shape.hidden));
    hidden = hidden_memory_.as<float>();
  }
  if (context > context_reserved_) {
    // Grows in steps, so that a sequence that grows token by token does not allocate at each.
    context_reserved_ = static_cast<int>(round_up(static_cast<std::size_t>(context), kernels::kPageTokens));
    for (ThreadScratch& thread : threads) {
      thread.scores = AlignedBuffer();
      thread.scores = AlignedBuffer(floats(kernels::kMaxQueries, context_reserved_));
    }
  }
}

std::size_t Workspace::bytes() const noexcept {
  std::size_t total = memory_.size() + hidden_memory_.size() + input.bytes() + ffn_input.bytes();
  for (const ThreadScratch& thread : threads)
    total += thread.input.bytes() + thread.normed.size() + thread.unit.size() + thread.matmul.size() +
             thread.scores.size();
  return total;
}

}  // namespace qwen::model
