#include "model/activations.h"

#include <algorithm>
#include <cstring>

namespace qwen::model {
namespace {

int padded_tokens(int tokens) {
  return static_cast<int>(
      round_up(static_cast<std::size_t>(tokens), static_cast<std::size_t>(kernels::tile_width(tokens))));
}

}  // namespace

void ActivationBuffer::reserve(int tokens, int max_cols, unsigned formats) {
  if (tokens <= tokens_ && max_cols <= cols_ && (formats & ~formats_) == 0) return;
  tokens_ = std::max(tokens, tokens_);
  cols_ = std::max(max_cols, cols_);
  formats_ |= formats;
  const int padded = padded_tokens(tokens_);
  std::size_t total = 0;
  if (formats_ & kernels::kActivationRows) rows_at_ = append_part(total, float_bytes(padded, cols_));
  if (formats_ & kernels::kActivationTiles) tiles_at_ = append_part(total, float_bytes(padded, cols_));
  if (formats_ & kernels::kActivationQ8) {
    const int blocks = ceil_div(cols_, kernels::kBlock);
    q_at_ = append_part(total, float_bytes(padded, blocks * kernels::kBlock) / 4);
    scale_at_ = append_part(total, float_bytes(padded, blocks));
    sum_at_ = append_part(total, float_bytes(padded, blocks * 2));
  }
  memory_ = AlignedBuffer();
  try {
    memory_ = AlignedBuffer(total);
  } catch (...) {
    tokens_ = cols_ = 0;  // the buffer is empty now
    formats_ = 0;
    throw;
  }
}

kernels::Activations ActivationBuffer::view(int tokens, int cols) noexcept {
  std::byte* base = memory_.data();
  kernels::Activations input;
  input.tokens = tokens;
  input.cols = cols;
  input.width = kernels::tile_width(tokens);
  if (formats_ & kernels::kActivationRows) input.rows = reinterpret_cast<float*>(base + rows_at_);
  if (formats_ & kernels::kActivationTiles) input.tiles = reinterpret_cast<float*>(base + tiles_at_);
  if ((formats_ & kernels::kActivationQ8) && cols % kernels::kBlock == 0) {
    input.q = reinterpret_cast<std::int8_t*>(base + q_at_);
    input.scale = reinterpret_cast<float*>(base + scale_at_);
    input.neg_sum = reinterpret_cast<std::int32_t*>(base + sum_at_);
  }
  return input;
}

void store_activations(const kernels::Kernels& kernel, const kernels::Activations& out, int token, int first,
                       const float* values, int n) noexcept {
  const auto cols = static_cast<std::size_t>(out.cols), width = static_cast<std::size_t>(out.width);
  const auto t = static_cast<std::size_t>(token);
  if (out.rows != nullptr)
    std::memcpy(out.rows + t * cols + static_cast<std::size_t>(first), values,
                static_cast<std::size_t>(n) * sizeof(float));
  if (out.tiles != nullptr) {
    float* tile = out.tiles + (t / width * cols + static_cast<std::size_t>(first)) * width + t % width;
    for (int i = 0; i < n; ++i) tile[static_cast<std::size_t>(i) * width] = values[i];
  }
  if (out.q != nullptr)
    for (int i = 0; i < n; i += kernels::kBlock)
      kernel.quantize_block(values + i, token, (first + i) / kernels::kBlock, out);
}

}  // namespace qwen::model
