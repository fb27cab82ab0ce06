// The layout of quantized panels: 16 rows of weights side by side, in records of whole cache lines.
//
// A record covers 2 blocks of 32 columns (types with one scale a block) or 8 (the "K" types and IQ4_XS):
//
//   plain types   f16 scale [2][16]; with mins: f16 min [2][16]
//   K types       f16 d [16]; with mins: f16 dmin [16]; then the integer scales, one byte a row (ScaleKind)
//   both          zeros up to the next cache line, then the codes: `bits` lines of 64 bytes for each block
//
// A line holds one dword a row: four consecutive columns, so that lane == row in a 32-bit dot product. The
// eight dwords j = 0..7 of a row's block of 32 columns are cut into bit planes:
//
//   8 bits  line j: dword j
//   4 bits  line i (0..3): dword i in the low halves, dword i + 4 in the high halves
//   5 bits  as 4 bits, and a line whose bit j is the fifth bit of dword j
//   6 bits  as 4 bits, and two lines: bits 2i of line h are the upper two bits of dword 4h + i
//   2 bits  line h (0..1): bits 2i are dword 4h + i
//   3 bits  as 2 bits, and a line whose bit j is the third bit of dword j
//
// A code u stands for the weight s * (u - offset) - n, with the scale s and the min n of its group of `group`
// columns. For the IQ4 types the code is a position in their table, and u is the table's value + 128.
//
// Included by the ISA files: constexpr functions only, which never reach the linker.
#pragma once
#include <cstddef>

#include "kernels/matrix.h"

namespace qwen::kernels {

enum class ScaleKind {
  plain,        // one f16 a block
  bytes,        // f16 d, a signed byte a group
  bytes_min,    // f16 d and dmin, an unsigned byte a group for each
  nibbles_min,  // f16 d and dmin, a byte a group: scale in the low half, min in the high half
};

// Q8_0 in two nibble planes, for the output head: code u = 16 * high + low. The panels hold the scales and the
// high nibbles, laid out like 4-bit codes; Matrix::low holds the low nibbles. The high nibbles alone bound
// every logit. A layout in memory only: no file has this type.
inline constexpr TensorType kQ8TwoPlane = static_cast<TensorType>(0x10008);

struct PanelFormat {
  int bits;  // lines of codes in a block
  int offset;
  int group;  // columns that share a scale: 16 or 32
  bool min;
  bool table;  // codes are positions in the IQ4 table
  ScaleKind scales;
  bool two_plane = false;  // high nibbles only; Matrix::low has the low ones

  constexpr int record_blocks() const { return scales == ScaleKind::plain ? 2 : 8; }
  constexpr int groups_per_block() const { return kBlock / group; }
  // Bytes of integer scales in a record.
  constexpr int scale_bytes() const {
    const int groups = record_blocks() * groups_per_block() * kPanelRows;
    switch (scales) {
      case ScaleKind::plain: return 0;
      case ScaleKind::bytes: return groups;
      case ScaleKind::bytes_min: return 2 * groups;
      case ScaleKind::nibbles_min: return groups;
    }
    return 0;
  }
  // Where the mins of a plain type, dmin, or the integer scales start.
  constexpr int min_at() const { return scales == ScaleKind::plain ? 2 * kPanelRows * 2 : kPanelRows * 2; }
  constexpr int bytes_at() const { return kPanelRows * 2 * (min ? 2 : 1); }
  constexpr int codes_at() const {
    const int head =
        scales == ScaleKind::plain ? kPanelRows * 2 * 2 * (min ? 2 : 1) : bytes_at() + scale_bytes();
    return (head + 63) / 64 * 64;
  }
  constexpr int block_bytes() const { return bits * 64; }
  constexpr int record_bytes() const { return codes_at() + record_blocks() * block_bytes(); }
};

// For quantized types only.
constexpr PanelFormat panel_format(TensorType type) {
  if (type == kQ8TwoPlane) return {4, 128, 32, false, false, ScaleKind::plain, true};
  switch (type) {
    case TensorType::q8_0: return {8, 128, 32, false, false, ScaleKind::plain};
    case TensorType::q4_0: return {4, 8, 32, false, false, ScaleKind::plain};
    case TensorType::q4_1: return {4, 0, 32, true, false, ScaleKind::plain};
    case TensorType::q5_0: return {5, 16, 32, false, false, ScaleKind::plain};
    case TensorType::q5_1: return {5, 0, 32, true, false, ScaleKind::plain};
    case TensorType::iq4_nl: return {4, 128, 32, false, true, ScaleKind::plain};
    case TensorType::iq4_xs: return {4, 128, 32, false, true, ScaleKind::bytes};
    case TensorType::q2_k: return {2, 0, 16, true, false, ScaleKind::nibbles_min};
    case TensorType::q3_k: return {3, 4, 16, false, false, ScaleKind::bytes};
    case TensorType::q4_k: return {4, 0, 32, true, false, ScaleKind::bytes_min};
    case TensorType::q5_k: return {5, 0, 32, true, false, ScaleKind::bytes_min};
    case TensorType::q6_k: return {6, 32, 16, false, false, ScaleKind::bytes};
    default: return {8, 0, 32, false, false, ScaleKind::plain};
  }
}

// The low nibble plane of kQ8TwoPlane holds groups of kLowBlocks blocks. In a group each row has kLowRowBytes
// bytes, 16 for each block: byte i has column i in its low half and column i + 16 in its high half. So one row
// can be read without its neighbors. The last group is padded with zeros.
inline constexpr int kLowBlocks = 4, kLowRowBytes = kLowBlocks * 16;
// Where block b of the first row lies in a panel's low plane.
constexpr int low_block_at(int b) {
  return b / kLowBlocks * kPanelRows * kLowRowBytes + b % kLowBlocks * 16;
}

// The type that the matrix has in a file: Q8_0 for one in two planes.
constexpr TensorType file_type(const Matrix& matrix) {
  return matrix.type == kQ8TwoPlane ? TensorType::q8_0 : matrix.type;
}

// The quantized types, for switches: those with blocks of 32 weights, and those with super-blocks of 256.
#define FOR_EACH_BLOCK_TYPE(X) X(q8_0) X(q4_0) X(q4_1) X(q5_0) X(q5_1) X(iq4_nl)
#define FOR_EACH_SUPER_BLOCK_TYPE(X) X(iq4_xs) X(q2_k) X(q3_k) X(q4_k) X(q5_k) X(q6_k)

}  // namespace qwen::kernels
