// Weights from the rows of a file into panels of 16 rows, and back. The layout is in docs/formats.md and
// panel.h.
#pragma once
#include <cstddef>
#include <span>

#include "kernels/matrix.h"

namespace qwen::kernels {

// Bytes of one panel of 16 rows.
std::size_t panel_bytes(TensorType type, int cols);

// Packs `rows` rows as a file holds them into panels; where the rows are no multiple of 16, the last panel is
// filled up with zeros. The type stays as it is, and so does every weight's value; f32 is packed as bf16 by
// passing type bf16 with source_type f32 (the caller has checked f32_is_bf16).
void pack_panels(TensorType type, TensorType source_type, const std::byte* source, int rows, int cols,
                 std::byte* panels) noexcept;

// The same for Q8_0 rows into kQ8TwoPlane, the panels of the one plane to `high`, of the other to `low`.
void pack_two_plane_panels(const std::byte* source, int rows, int cols, std::byte* high,
                           std::byte* low) noexcept;
std::size_t low_panel_bytes(int cols);

// True where every float's low 16 bits are zero: bfloat16 holds them exactly.
bool f32_is_bf16(std::span<const std::byte> floats) noexcept;

// One row of a matrix, in either layout, as floats: exactly what quant::dequantize gives for the file's row.
void load_row(const Matrix& matrix, int row, float* out) noexcept;

}  // namespace qwen::kernels
