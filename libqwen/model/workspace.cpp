#include "model/workspace.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "model/config.h"

namespace qwen::model {
unsigned hidden_formats(const Weights& weights) noexcept {
  unsigned formats = activation_format(weights.lm_head);
  for (const LayerWeights& layer : weights.layers)
    for (const kernels::Matrix* matrix : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up})
      formats |= activation_format(*matrix);
  return formats;
}

unsigned ffn_formats(const Weights& weights) noexcept {
  unsigned formats = 0;
  for (const LayerWeights& layer : weights.layers) formats |= activation_format(layer.down);
  return formats;
}

Workspace::Workspace(const Weights& weights, int thread_count)
    : threads(static_cast<std::size_t>(thread_count)),
      work_counters(static_cast<std::size_t>((weights.shape.layers - 1) * kLayerPhases + kLastLayerPhases +
                                             kOtherPhases)),
      weights_(weights) {
  std::size_t scratch = kernels::matmul_scratch_bytes(weights.lm_head);
  for (const LayerWeights& layer : weights.layers)
    for (const kernels::Matrix* matrix :
         {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      scratch = std::max(scratch, kernels::matmul_scratch_bytes(*matrix));
  const int width = std::max(weights.shape.hidden, query_dim(weights.shape));
  for (ThreadScratch& thread : threads) {
    thread.matmul = AlignedBuffer(scratch);
    thread.normed = AlignedBuffer(float_bytes(width + 16, 1));
    thread.input.reserve(1, width, hidden_formats(weights));
  }
}

void Workspace::reserve(int row_count, int output_count, int context) {
  try {
    grow(row_count, output_count, context);
  } catch (...) {
    // Some buffers are missing: the next call allocates all of them again.
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
    const std::size_t x_at = append_part(total, float_bytes(row_count, shape.hidden));
    const std::size_t q_at = append_part(total, float_bytes(row_count, q_dim));
    const std::size_t attention_at = append_part(total, float_bytes(row_count, q_dim));
    const std::size_t angles_at = append_part(total, float_bytes(row_count, shape.head_dim));
    memory_ = AlignedBuffer();
    memory_ = AlignedBuffer(total);
    x = memory_.as<float>(x_at);
    q = memory_.as<float>(q_at);
    attention = memory_.as<float>(attention_at);
    angles = memory_.as<float>(angles_at);
    input.reserve(row_count, std::max(shape.hidden, q_dim), hidden_formats(weights_));
    ffn_input.reserve(row_count, shape.ffn, ffn_formats(weights_));
    // A unit is at least one head or 32 rows, for all tokens; with few tokens it has more rows.
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
    hidden_memory_ = AlignedBuffer(float_bytes(output_count, shape.hidden));
    hidden = hidden_memory_.as<float>();
  }
  if (context > context_reserved_) {
    // In whole pages, so that a sequence that grows by single tokens rarely allocates.
    context_reserved_ = static_cast<int>(round_up(static_cast<std::size_t>(context), kernels::kPageTokens));
    for (ThreadScratch& thread : threads) {
      thread.scores = AlignedBuffer();
      thread.scores = AlignedBuffer(float_bytes(kernels::kMaxQueries, context_reserved_));
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
