// The exact path: weights dequantised to float as they are read, float activations, no packing.
#pragma once
#include "kernels/matrix.h"

namespace qwen::kernels {

// KernelTable::matmul for a matrix in rows layout; the same on every ISA level. Uses input.rows.
void matmul_rows(const Matrix& matrix, const Input& input, int row_begin, int row_end, float* out,
                 std::size_t out_stride, std::byte* scratch) noexcept;

}  // namespace qwen::kernels
