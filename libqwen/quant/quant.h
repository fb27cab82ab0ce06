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

// `rows` rows of `cols` weights from one type to another, row by row with one row of floats as scratch. Rows
// of the same type are copied. Errors as quantize; also Error(bad_format) where cols is no multiple of a
// type's block.
void convert_rows(TensorType from, const std::byte* in, TensorType to, std::byte* out, std::size_t rows,
                  std::size_t cols);

}  // namespace qwen::quant
