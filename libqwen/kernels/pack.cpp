#include "kernels/pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/half.h"
#include "kernels/panel.h"
#include "kernels/panel_read.h"
#include "quant/blocks.h"
#include "quant/quant.h"

namespace qwen::kernels {
namespace {

using quant::BlockIQ4_NL;
using quant::BlockIQ4_XS;
using quant::BlockQ2_K;
using quant::BlockQ3_K;
using quant::BlockQ4_0;
using quant::BlockQ4_1;
using quant::BlockQ4_K;
using quant::BlockQ5_0;
using quant::BlockQ5_1;
using quant::BlockQ5_K;
using quant::BlockQ6_K;
using quant::BlockQ8_0;

constexpr std::uint32_t kLow4 = 0x0F0F0F0Fu, kLow2 = 0x03030303u, kLow1 = 0x01010101u;

// Dword j of a byte array: four consecutive columns.
std::uint32_t dword(const void* bytes, int j) {
  std::uint32_t v;
  std::memcpy(&v, static_cast<const std::uint8_t*>(bytes) + 4 * j, sizeof v);
  return v;
}

// code_lines: one row's lines[i] (a dword each) of block `b` of 32 columns of a file block.

void nibble_lines(const std::uint8_t* qs, std::uint32_t* lines) {  // the plain types have the panels' order
  for (int i = 0; i < 4; ++i) lines[i] = dword(qs, i);
}

// Bit 4j + c of `bits` -> bit j of byte c: the fifth bits of Q5_0 and Q5_1.
std::uint32_t fifth_bit_line(std::uint32_t bits) {
  std::uint32_t line = 0;
  for (int j = 0; j < 8; ++j) {
    const std::uint32_t four = (bits >> (4 * j)) & 15;  // columns 4j .. 4j + 3
    line |= ((four * 0x00204081u) & kLow1) << j;        // spreads four bits over four bytes
  }
  return line;
}

// Bit `b` of each byte of dword j -> bit j: high bits of Q3_K and Q5_K.
std::uint32_t plane_line(const std::uint8_t* bytes, int b) {
  std::uint32_t line = 0;
  for (int j = 0; j < 8; ++j) line |= ((dword(bytes, j) >> b) & kLow1) << j;
  return line;
}

// Bits 2g of each byte of dwords 0..7 -> two lines of two-bit planes.
void two_bit_lines(const std::uint8_t* bytes, int g, std::uint32_t* lines) {
  for (int h = 0; h < 2; ++h) {
    lines[h] = 0;
    for (int i = 0; i < 4; ++i) lines[h] |= ((dword(bytes, 4 * h + i) >> (2 * g)) & kLow2) << (2 * i);
  }
}

void code_lines(const BlockQ8_0& q, int, std::uint32_t* lines) {
  for (int j = 0; j < 8; ++j) lines[j] = dword(q.qs, j) ^ 0x80808080u;
}
void code_lines(const BlockQ4_0& q, int, std::uint32_t* lines) {
  nibble_lines(q.qs, lines);
}
void code_lines(const BlockQ4_1& q, int, std::uint32_t* lines) {
  nibble_lines(q.qs, lines);
}
void code_lines(const BlockIQ4_NL& q, int, std::uint32_t* lines) {
  nibble_lines(q.qs, lines);
}
void code_lines(const BlockIQ4_XS& q, int b, std::uint32_t* lines) {
  nibble_lines(q.qs + 16 * b, lines);
}
void code_lines(const BlockQ5_0& q, int, std::uint32_t* lines) {
  nibble_lines(q.qs, lines);
  lines[4] = fifth_bit_line(dword(q.qh, 0));
}
void code_lines(const BlockQ5_1& q, int, std::uint32_t* lines) {
  nibble_lines(q.qs, lines);
  lines[4] = fifth_bit_line(dword(q.qh, 0));
}
// Blocks 2g and 2g + 1 share 32 bytes: low halves and high halves.
void k_nibble_lines(const std::uint8_t* qs, int shift, std::uint32_t* lines) {
  for (int i = 0; i < 4; ++i)
    lines[i] = ((dword(qs, i) >> shift) & kLow4) | ((dword(qs, i + 4) >> shift) & kLow4) << 4;
}
void code_lines(const BlockQ4_K& q, int b, std::uint32_t* lines) {
  k_nibble_lines(q.qs + b / 2 * 32, b % 2 * 4, lines);
}
void code_lines(const BlockQ5_K& q, int b, std::uint32_t* lines) {
  k_nibble_lines(q.qs + b / 2 * 32, b % 2 * 4, lines);
  lines[4] = plane_line(q.qh, b);
}
void code_lines(const BlockQ6_K& q, int b, std::uint32_t* lines) {
  const int half = b / 4, g = b % 4;
  k_nibble_lines(q.ql + half * 64 + g % 2 * 32, g / 2 * 4, lines);
  two_bit_lines(q.qh + half * 32, g, lines + 4);
}
void code_lines(const BlockQ2_K& q, int b, std::uint32_t* lines) {
  two_bit_lines(q.qs + b / 4 * 32, b % 4, lines);
}
void code_lines(const BlockQ3_K& q, int b, std::uint32_t* lines) {
  two_bit_lines(q.qs + b / 4 * 32, b % 4, lines);
  lines[2] = plane_line(q.hmask, b);
}

void put_half(std::uint8_t* at, std::uint16_t bits) {
  std::memcpy(at, &bits, sizeof bits);
}
constexpr std::uint16_t negated(std::uint16_t half) {
  return half ^ 0x8000u;
}

// Plain types: the scale (and min) of one row's block `b` of the record.
template <class Block>
void plain_scales(const Block& q, const PanelFormat& format, std::uint8_t* record, int b, int row) {
  put_half(record + (b * kPanelRows + row) * 2, q.d);
  if constexpr (requires { q.m; })
    put_half(record + format.min_at() + (b * kPanelRows + row) * 2, negated(q.m));
}

// K types: d, dmin and all groups' integers of one row.
template <class Block>
void super_scales(const Block& q, const PanelFormat& format, std::uint8_t* record, int row) {
  put_half(record + row * 2, q.d);
  if constexpr (requires { q.dmin; }) put_half(record + format.min_at() + row * 2, q.dmin);
  std::uint8_t* bytes = record + format.bytes_at();
  for (int g = 0; g < 256 / format.group; ++g) {
    std::uint8_t& out = bytes[g * kPanelRows + row];
    if constexpr (std::is_same_v<Block, BlockQ4_K> || std::is_same_v<Block, BlockQ5_K>) {
      const quant::ScaleMin s = quant::k4_scale_min(q.scales, g);
      out = s.scale;
      bytes[format.scale_bytes() / 2 + g * kPanelRows + row] = s.min;
    } else if constexpr (std::is_same_v<Block, BlockIQ4_XS>) {
      out = static_cast<std::uint8_t>(quant::iq4_xs_scale(q, g));
    } else if constexpr (std::is_same_v<Block, BlockQ3_K>) {
      out = static_cast<std::uint8_t>(quant::q3_k_scale(q.scales, g));
    } else {
      out = static_cast<std::uint8_t>(q.scales[g]);
    }
  }
}

// One panel: `rows` (1 to 16) file rows at `source`, `stride` bytes apart.
template <TensorType kType, class Block>
void pack_panel(const std::byte* source, std::size_t stride, int rows, int cols, std::byte* panel) {
  constexpr PanelFormat kFormat = panel_format(kType);
  constexpr bool kPlain = kFormat.scales == ScaleKind::plain;
  constexpr int kBlocksPerFileBlock = kPlain ? 1 : 8;
  const int blocks = cols / kBlock;
  auto* record = reinterpret_cast<std::uint8_t*>(panel);
  for (int first = 0; first < blocks; first += kFormat.record_blocks(), record += kFormat.record_bytes()) {
    if (rows < kPanelRows || first + kFormat.record_blocks() > blocks)
      std::memset(record, 0, kFormat.record_bytes());
    const int count = std::min(kFormat.record_blocks(), blocks - first);
    for (int row = 0; row < rows; ++row) {
      const auto* file_blocks =
          reinterpret_cast<const Block*>(source + static_cast<std::size_t>(row) * stride);
      if constexpr (!kPlain) super_scales(file_blocks[first / 8], kFormat, record, row);
      for (int b = 0; b < count; ++b) {
        const Block& q = file_blocks[(first + b) / kBlocksPerFileBlock];
        if constexpr (kPlain) plain_scales(q, kFormat, record, b, row);
        std::uint32_t lines[8];
        code_lines(q, b, lines);
        std::uint8_t* out = record + kFormat.codes_at() + b * kFormat.block_bytes() + row * 4;
        for (int i = 0; i < kFormat.bits; ++i) std::memcpy(out + i * 64, &lines[i], sizeof lines[i]);
      }
    }
  }
}

// Float panels: [cols][16].
template <class In, class Out, class Convert>
void pack_float_panel(const std::byte* source, std::size_t stride, int rows, int cols, std::byte* panel,
                      const Convert& convert) {
  auto* out = reinterpret_cast<Out*>(panel);
  const auto n = static_cast<std::size_t>(cols);
  for (int row = 0; row < kPanelRows; ++row) {
    const auto* in = reinterpret_cast<const In*>(source + static_cast<std::size_t>(row) * stride);
    for (std::size_t i = 0; i < n; ++i) {
      In value{};
      if (row < rows) std::memcpy(&value, in + i, sizeof value);
      out[i * kPanelRows + static_cast<std::size_t>(row)] = convert(value);
    }
  }
}

}  // namespace

std::size_t panel_bytes(TensorType type, int cols) {
  const auto n = static_cast<std::size_t>(cols);
  switch (type) {
    case TensorType::f32: return n * kPanelRows * 4;
    case TensorType::f16:
    case TensorType::bf16: return n * kPanelRows * 2;
    default: {
      const PanelFormat format = panel_format(type);
      return static_cast<std::size_t>(ceil_div(cols / kBlock, format.record_blocks())) *
             static_cast<std::size_t>(format.record_bytes());
    }
  }
}

void pack_panels(TensorType type, TensorType source_type, const std::byte* source, int rows, int cols,
                 std::byte* panels) noexcept {
  const std::size_t stride =
      static_cast<std::size_t>(cols / info_of(source_type).block_weights) * info_of(source_type).block_bytes;
  const std::size_t bytes = panel_bytes(type, cols);
  for (int p = 0; p * kPanelRows < rows; ++p) {
    const int count = std::min(kPanelRows, rows - p * kPanelRows);
    const std::byte* in = source + static_cast<std::size_t>(p) * kPanelRows * stride;
    std::byte* out = panels + static_cast<std::size_t>(p) * bytes;
    const auto same = [](auto v) { return v; };
    switch (type) {
      case TensorType::f32: pack_float_panel<float, float>(in, stride, count, cols, out, same); break;
      case TensorType::f16:
        pack_float_panel<std::uint16_t, std::uint16_t>(in, stride, count, cols, out, same);
        break;
      case TensorType::bf16:
        if (source_type == TensorType::f32)
          pack_float_panel<float, std::uint16_t>(in, stride, count, cols, out, f32_to_bf16);
        else
          pack_float_panel<std::uint16_t, std::uint16_t>(in, stride, count, cols, out, same);
        break;
      case TensorType::q8_0: pack_panel<TensorType::q8_0, BlockQ8_0>(in, stride, count, cols, out); break;
      case TensorType::q4_0: pack_panel<TensorType::q4_0, BlockQ4_0>(in, stride, count, cols, out); break;
      case TensorType::q4_1: pack_panel<TensorType::q4_1, BlockQ4_1>(in, stride, count, cols, out); break;
      case TensorType::q5_0: pack_panel<TensorType::q5_0, BlockQ5_0>(in, stride, count, cols, out); break;
      case TensorType::q5_1: pack_panel<TensorType::q5_1, BlockQ5_1>(in, stride, count, cols, out); break;
      case TensorType::iq4_nl:
        pack_panel<TensorType::iq4_nl, BlockIQ4_NL>(in, stride, count, cols, out);
        break;
      case TensorType::iq4_xs:
        pack_panel<TensorType::iq4_xs, BlockIQ4_XS>(in, stride, count, cols, out);
        break;
      case TensorType::q2_k: pack_panel<TensorType::q2_k, BlockQ2_K>(in, stride, count, cols, out); break;
      case TensorType::q3_k: pack_panel<TensorType::q3_k, BlockQ3_K>(in, stride, count, cols, out); break;
      case TensorType::q4_k: pack_panel<TensorType::q4_k, BlockQ4_K>(in, stride, count, cols, out); break;
      case TensorType::q5_k: pack_panel<TensorType::q5_k, BlockQ5_K>(in, stride, count, cols, out); break;
      case TensorType::q6_k: pack_panel<TensorType::q6_k, BlockQ6_K>(in, stride, count, cols, out); break;
    }
  }
}

std::size_t low_panel_bytes(int cols) {
  return static_cast<std::size_t>(ceil_div(cols / kBlock, kLowBlocks)) * kPanelRows * kLowRowBytes;
}

namespace {

// A float that is at least `x`.
float round_up_to_float(double x) {
  return static_cast<float>(x * (1 + 0x1p-20));
}

// sum of (low nibble - 7.5)^2 of a block.
double low_energy(const BlockQ8_0& q) {
  int sum = 0;  // of (2 * low - 15)^2
  for (const std::int8_t code : q.qs) {
    const int twice = 2 * (code & 15) - 15;
    sum += twice * twice;
  }
  return sum / 4.0;
}

// By Cauchy and Schwarz the low nibbles change a logit by at most sqrt(sum of scale^2 * low_energy) times the
// norm of the activations. Both logits are sums of float products: each step rounds by at most 2^-24 of what is
// summed, which all together is below 725 (128 * sqrt(32)) * sqrt(sum of scale^2) times that norm.
float low_norm(const BlockQ8_0* blocks, int count) {
  double low = 0, scales = 0;
  for (int b = 0; b < count; ++b) {
    const double scale = f16_to_f32(blocks[b].d);
    low += scale * scale * low_energy(blocks[b]);
    scales += scale * scale;
  }
  const double roundings = (4.0 * count + 8) * 0x1p-24;
  return round_up_to_float(std::sqrt(low) + 2 * roundings * 725 * std::sqrt(scales));
}

}  // namespace

float activation_norm(const Activations& input) noexcept {
  double sum = 0;
  for (int b = 0; b < input.cols / kBlock; ++b) {
    std::int32_t squares = 0;
    for (int i = b * kBlock; i < (b + 1) * kBlock; ++i) squares += input.q[i] * input.q[i];
    const double scale = input.scale[b];
    sum += scale * scale * squares;
  }
  return round_up_to_float(std::sqrt(sum));
}

void pack_two_plane_panels(const std::byte* source, int rows, int cols, std::byte* high, std::byte* low,
                           float* low_norms) noexcept {
  constexpr PanelFormat kFormat = panel_format(kQ8TwoPlane);
  const int blocks = cols / kBlock;
  const std::size_t stride = panel_bytes(kQ8TwoPlane, cols), low_stride = low_panel_bytes(cols);
  for (int row = 0; row < rows; ++row) {
    const auto panel = static_cast<std::size_t>(row / kPanelRows);
    const int lane = row % kPanelRows;
    const auto* file_blocks = reinterpret_cast<const BlockQ8_0*>(source) +
                              static_cast<std::size_t>(row) * static_cast<std::size_t>(blocks);
    low_norms[row] = low_norm(file_blocks, blocks);
    auto* record = reinterpret_cast<std::uint8_t*>(high + panel * stride);
    auto* low_row = reinterpret_cast<std::uint8_t*>(low + panel * low_stride) + lane * kLowRowBytes;
    for (int b = 0; b < blocks; ++b) {
      const BlockQ8_0& q = file_blocks[b];
      plain_scales(q, kFormat, record, b % 2, lane);
      std::uint32_t codes[8];
      code_lines(q, 0, codes);
      std::uint8_t* lines = record + kFormat.codes_at() + b % 2 * kFormat.block_bytes() + lane * 4;
      for (int i = 0; i < 4; ++i) {  // dword i in the low halves, dword i + 4 in the high ones
        const std::uint32_t upper = ((codes[i] >> 4) & kLow4) | (codes[i + 4] & ~kLow4);
        const std::uint32_t lower = (codes[i] & kLow4) | (codes[i + 4] & kLow4) << 4;
        std::memcpy(lines + i * 64, &upper, sizeof upper);
        std::memcpy(low_row + low_block_at(b) + i * 4, &lower, sizeof lower);
      }
      if (b % 2 == 1) record += kFormat.record_bytes();
    }
  }
}

bool f32_is_bf16(std::span<const std::byte> floats) noexcept {
  // In pieces: the first one usually decides.
  constexpr std::size_t kPiece = 4096;
  for (std::size_t at = 0; at < floats.size(); at += kPiece) {
    std::uint32_t low = 0;
    const std::size_t end = std::min(floats.size(), at + kPiece);
    for (std::size_t i = at; i < end; i += 4) {
      std::uint32_t bits;
      std::memcpy(&bits, floats.data() + i, sizeof bits);
      low |= bits;
    }
    if ((low & 0xffffu) != 0) return false;
  }
  return true;
}

void load_row(const Matrix& matrix, int row, float* out) noexcept {
  const auto cols = static_cast<std::size_t>(matrix.cols);
  if (!matrix.panels) {
    quant::dequantize(matrix.type, matrix.data + static_cast<std::size_t>(row) * matrix.stride, {out, cols});
    return;
  }
  const std::byte* panel = matrix.data + static_cast<std::size_t>(row / kPanelRows) * matrix.stride;
  const auto lane = static_cast<std::size_t>(row % kPanelRows);
  const auto half = [&](std::size_t i) {
    return reinterpret_cast<const std::uint16_t*>(panel)[i * kPanelRows + lane];
  };
  switch (matrix.type) {
    case TensorType::f32:
      for (std::size_t i = 0; i < cols; ++i)
        out[i] = reinterpret_cast<const float*>(panel)[i * kPanelRows + lane];
      return;
    case TensorType::f16:
      for (std::size_t i = 0; i < cols; ++i) out[i] = f16_to_f32(half(i));
      return;
    case TensorType::bf16:
      for (std::size_t i = 0; i < cols; ++i) out[i] = bf16_to_f32(half(i));
      return;
    default: {
      const PanelReader reader = PanelReader::of(matrix, row);
      for (int i = 0; i < matrix.cols; ++i) out[i] = reader.weight(static_cast<int>(lane), i);
    }
  }
}

}  // namespace qwen::kernels
