// Converts weights from the rows of a file into panels of 16 rows, and back. panel.h describes the layout.
#pragma once
#include <cstddef>
#include <span>

#include "kernels/matrix.h"

namespace qwen::kernels {

// Bytes of one panel of 16 rows.
std::size_t panel_bytes(TensorType type, int cols);

// Packs `rows` rows of a file into panels; the last panel is padded with zero rows. Types and values do not change,
// but f32 rows become bf16 panels if type is bf16 and source_type f32 (the caller has checked f32_is_bf16).
void pack_panels(TensorType type, TensorType source_type, const std::byte* source, int rows, int cols,
                 std::byte* panels) noexcept;

// The same for Q8_0 rows into kQ8TwoPlane: the two planes and low_norms[rows] (Matrix::low_norm). All three hold
// zeros before the call, so that the padding is zero.
void pack_two_plane_panels(const std::byte* source, int rows, int cols, std::byte* high, std::byte* low,
                           float* low_norms) noexcept;
// At least the Euclidean norm of the activations of a single token: the other factor of the bound of
// Kernels::approx_logits.
float activation_norm(const Activations& input) noexcept;
std::size_t low_panel_bytes(int cols);

// True if the low 16 bits of every float are zero: bfloat16 holds them exactly.
bool f32_is_bf16(std::span<const std::byte> floats) noexcept;

// One row of a matrix, in either layout, as floats: equal to quant::dequantize of the file's row.
void load_row(const Matrix& matrix, int row, float* out) noexcept;

}  // namespace qwen::kernels
