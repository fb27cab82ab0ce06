// The operands of the matrix kernels: a weight matrix and activations.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/tensor_type.h"

namespace qwen::kernels {

inline constexpr int kPanelRows = 16;       // rows of weights in a panel: one per lane
inline constexpr int kBlock = 32;           // activations that share a scale
inline constexpr int kTileTokens = 6;       // tokens that a GEMM tile holds
inline constexpr int kMaxStreamTokens = 8;  // up to this many tokens make one tile

constexpr int tile_width(int tokens) {
  return tokens <= kMaxStreamTokens ? tokens : kTileTokens;
}

// A weight matrix y = W x, W [rows, cols], in one of two layouts:
//   panels: 16 rows side by side (panel.h); the layout of all fast kernels
//   rows:   the blocks of the file, row after row; reference_matmul dequantizes them
struct Matrix {
  TensorType type = TensorType::f32;
  bool panels = false;
  int rows = 0, cols = 0;
  const std::byte* data = nullptr;
  std::size_t stride = 0;  // bytes from one panel, or row, to the next
  // Type kQ8TwoPlane (kernels/panel.h) only: the low nibbles of the codes, `low_stride` bytes a panel, and for
  // each row, padded to whole panels, the factor of the bound of Kernels::approx_logits.
  const std::byte* low = nullptr;
  std::size_t low_stride = 0;
  const float* low_norm = nullptr;

  int panel_count() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

// The formats of activations; a set of bits.
enum ActivationFormat : unsigned {
  kActivationRows = 1,   // f32 [tokens, cols]: reference_matmul
  kActivationTiles = 2,  // f32 tiles: float weights in panels
  kActivationQ8 = 4,     // int8 tiles with a scale per block: quantized weights in panels
};
unsigned activation_format(const Matrix& matrix) noexcept;

// Activations of `tokens` tokens. Tiles interleave width = tile_width(tokens) tokens, so that one pointer serves a
// whole tile. Lanes of the last tile beyond `tokens` hold unspecified finite values: kernels may compute with them,
// but never store their results. cols is a multiple of 32 for int8 activations. The pointers are mutable: whoever
// prepares activations and the kernels that read them share this view.
struct Activations {
  int tokens = 0, cols = 0;
  int width = 1;
  float* rows = nullptr;            // [tokens][cols]
  float* tiles = nullptr;           // [tile][cols][width]
  std::int8_t* q = nullptr;         // [tile][cols/4][width][4]
  float* scale = nullptr;           // [tile][cols/32][width]
  std::int32_t* neg_sum = nullptr;  // [tile][cols/16][width]: neg_sum the sum of 16 values of q
};

}  // namespace qwen::kernels
