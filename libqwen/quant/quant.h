// The storage types of weights: their blocks byte by byte, and the scalar code that defines what they mean.
#pragma once
#include <cstddef>
#include <span>

#include "base/tensor_type.h"

namespace qwen::quant {

// Weights of `blocks` -> floats. `out.size()` is a multiple of the type's block; `blocks` holds exactly that
// many weights. This is the truth that every kernel is tested against.
void dequantize(TensorType type, const std::byte* blocks, std::span<float> out) noexcept;

// Floats -> blocks, searching for the scales with the least sum of squared errors. Q2_K, Q3_K and IQ4_XS,
// which only tests and benchmarks write, take the same search without any tuning of their own.
// Error(bad_format) for input that is not finite or whose scale does not fit half precision. `in.size()` is a
// multiple of the type's block; `blocks` has room for in.size() weights.
void quantize(TensorType type, std::span<const float> in, std::byte* blocks);

}  // namespace qwen::quant
