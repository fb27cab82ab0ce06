// The storage types of weights: their blocks byte by byte, and the scalar code that defines what they mean.
#pragma once
#include <cstddef>
#include <span>

#include "base/tensor_type.h"

namespace qwen::quant {

// Weights of `blocks` -> floats. `out.size()` is a multiple of the type's block; `blocks` holds exactly that many
// weights. This is the truth that every kernel is tested against.
void dequantize(TensorType type, const std::byte* blocks, std::span<float> out) noexcept;

// Floats -> blocks. `importance` (same length as `in`, or empty) weighs the squared error of each weight.
// Non-finite input gives Error(bad_format). `blocks` has room for in.size() weights.
void quantize(TensorType type, std::span<const float> in, std::byte* blocks, std::span<const float> importance = {});

}  // namespace qwen::quant
