// The inputs of matrices: buffers for them, and storing floats into every format that the weights need.
#pragma once
#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "kernels/kernels.h"

namespace qwen::model {

// Bytes of [a][b] floats, checked for overflow.
inline std::size_t float_bytes(int a, int b) {
  return checked_mul(checked_mul(static_cast<std::size_t>(a), static_cast<std::size_t>(b), "activations"),
                     sizeof(float), "activations");
}
// Appends a part of `bytes` bytes to a buffer of `total` bytes; returns its offset, a multiple of 64.
inline std::size_t append_part(std::size_t& total, std::size_t bytes) {
  const std::size_t at = total;
  total = checked_add(total, round_up(bytes, 64), "activations");
  return at;
}

// Memory for kernels::Activations in a set of formats; grows to the largest batch seen.
class ActivationBuffer {
 public:
  // `formats`: a set of kernels::ActivationFormat. Existing contents are lost when the buffer grows.
  void reserve(int tokens, int max_cols, unsigned formats);
  // The buffer, laid out for this many tokens and columns; both within what was reserved.
  kernels::Activations view(int tokens, int cols) noexcept;
  std::size_t bytes() const noexcept { return memory_.size(); }

 private:
  AlignedBuffer memory_;
  unsigned formats_ = 0;
  int tokens_ = 0, cols_ = 0;
  std::size_t rows_at_ = 0, tiles_at_ = 0, q_at_ = 0, scale_at_ = 0, sum_at_ = 0;
};

// Stores n values of one token, from column `first` on, in every format that `out` has. first and n are
// multiples of kernels::kBlock if `out` has int8 activations.
void store_activations(const kernels::Kernels& kernel, const kernels::Activations& out, int token, int first,
                       const float* values, int n) noexcept;

}  // namespace qwen::model
