// Converting weights between floats and the storage types. This scalar code defines the meaning of the types.
#pragma once
#include <cstddef>
#include <span>

#include "base/tensor_type.h"

namespace qwen::quant {

// Blocks to floats. `out.size()` is a multiple of the type's block; `blocks` holds that many weights. The kernels
// are tested against this function.
void dequantize(TensorType type, const std::byte* blocks, std::span<float> out) noexcept;

// Floats to blocks, with the scales of the least sum of squared errors. `in.size()` is a multiple of the type's block;
// `blocks` has room for that many weights.
// Throws bad_format if a value is not finite or a scale does not fit half precision.
void quantize(TensorType type, std::span<const float> in, std::byte* blocks);

// `rows` rows of `cols` weights from one type to another, row by row with one row of floats as scratch. Rows
// of the same type are copied. Throws what quantize throws, and bad_format if cols is not a multiple of a type's
// block.
void convert_rows(TensorType from, const std::byte* in, TensorType to, std::byte* out, std::size_t rows,
                  std::size_t cols);

}  // namespace qwen::quant
