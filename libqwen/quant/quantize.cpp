#include "quant/quantize.h"

#include <cstring>
#include <vector>

#include "quant/quant.h"
#include "quant/search.h"

namespace qwen::quant {
namespace {

void quantize_block(const float x[32], BlockQ8_0& block) {
  const float most = max_abs<32>(x);
  // No search: with 255 levels it gains almost nothing.
  block.d = to_half(std::fabs(most) / 127);
  std::uint8_t codes[32];
  encode_group<IntegerGrid<-127, 127>, 32>(x, f16_to_f32(block.d), 0, codes);
  for (int i = 0; i < 32; ++i) block.qs[i] = static_cast<std::int8_t>(codes[i] - 127);
}

void quantize_block(const float x[32], BlockQ4_0& block) {
  using Grid = IntegerGrid<-8, 7>;
  block.d = to_half(search_scale<Grid, 32>(x, 4, 0.4f));
  std::uint8_t codes[32];
  encode_group<Grid, 32>(x, f16_to_f32(block.d), 0, codes);
  pack_nibbles(codes, block.qs);
}

void pack_fifth_bits(const std::uint8_t codes[32], std::uint8_t qh[4]) {
  std::memset(qh, 0, 4);
  for (int i = 0; i < 32; ++i) qh[i / 8] = static_cast<std::uint8_t>(qh[i / 8] | (codes[i] >> 4) << (i % 8));
}

void quantize_block(const float x[32], BlockQ5_0& block) {
  using Grid = IntegerGrid<-16, 15>;
  block.d = to_half(search_scale<Grid, 32>(x, 4, 0.4f));
  std::uint8_t codes[32];
  encode_group<Grid, 32>(x, f16_to_f32(block.d), 0, codes);
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

template <int top, class Block>
void quantize_affine(const float x[32], Block& block, std::uint8_t codes[32]) {
  const AffineFit fit = search_affine<top, 32>(x, false, 5, 0.3f);
  block.d = to_half(fit.scale);
  block.m = to_half(fit.offset);
  encode_group<IntegerGrid<0, top>, 32>(x, f16_to_f32(block.d), f16_to_f32(block.m), codes);
  pack_nibbles(codes, block.qs);
}

void quantize_block(const float x[32], BlockQ4_1& block) {
  std::uint8_t codes[32];
  quantize_affine<15>(x, block, codes);
}

void quantize_block(const float x[32], BlockQ5_1& block) {
  std::uint8_t codes[32];
  quantize_affine<31>(x, block, codes);
  pack_fifth_bits(codes, block.qh);
}

void quantize_block(const float x[32], BlockIQ4_NL& block) {
  block.d = to_half(search_scale<Iq4Grid, 32>(x, 7, 4.0f));
  std::uint8_t codes[32];
  encode_group<Iq4Grid, 32>(x, f16_to_f32(block.d), 0, codes);
  pack_nibbles(codes, block.qs);
}

template <class Block, int weights>
void quantize_blocks(std::span<const float> in, std::byte* out) {
  for (std::size_t first = 0; first + weights <= in.size(); first += weights, out += sizeof(Block)) {
    Block block;
    quantize_block(in.data() + first, block);
    std::memcpy(out, &block, sizeof block);
  }
}

[[noreturn]] void fail_too_large(TensorType type, std::span<const float> in, std::size_t at) {
  fail(ErrorCode::bad_format, "weight ", at, " of ", in.size(), " is ", in[at], ", too large for ",
       name_of(type));
}

// Refuses weights that are not finite or, for the block types, larger than any scale of half precision
// reaches (which also keeps the squares of the searches finite).
void check_weights(TensorType type, std::span<const float> in) {
  const bool plain = info_of(type).block_weights == 1;
  const float limit = plain ? HUGE_VALF : 0x1p29f;
  // As integers the magnitudes order like floats, and NaN comes last; ored, so that the loop has no branches.
  const std::uint32_t limit_bits = std::bit_cast<std::uint32_t>(limit);
  bool bad = false;
  for (const float x : in) bad |= (std::bit_cast<std::uint32_t>(x) & 0x7fffffffu) >= limit_bits;
  if (!bad) return;
  std::size_t at = 0;
  while (std::fabs(in[at]) < limit) ++at;
  if (!std::isfinite(in[at]))
    fail(ErrorCode::bad_format, "cannot quantize: weight ", at, " of ", in.size(), " is ", in[at]);
  fail_too_large(type, in, at);
}

void narrow_f16(std::span<const float> in, std::byte* out) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::uint16_t bits = f32_to_f16(in[i]);
    if ((bits & 0x7c00u) == 0x7c00u) fail_too_large(TensorType::f16, in, i);
    std::memcpy(out + 2 * i, &bits, 2);
  }
}

void narrow_bf16(std::span<const float> in, std::byte* out) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::uint16_t bits = f32_to_bf16(in[i]);
    std::memcpy(out + 2 * i, &bits, 2);
  }
}

}  // namespace

void quantize(TensorType type, std::span<const float> in, std::byte* blocks) {
  check_weights(type, in);
  switch (type) {
    case TensorType::f32:
      if (!in.empty()) std::memcpy(blocks, in.data(), in.size_bytes());
      return;
    case TensorType::f16: return narrow_f16(in, blocks);
    case TensorType::bf16: return narrow_bf16(in, blocks);
    case TensorType::q8_0: return quantize_blocks<BlockQ8_0, 32>(in, blocks);
    case TensorType::q4_0: return quantize_blocks<BlockQ4_0, 32>(in, blocks);
    case TensorType::q4_1: return quantize_blocks<BlockQ4_1, 32>(in, blocks);
    case TensorType::q5_0: return quantize_blocks<BlockQ5_0, 32>(in, blocks);
    case TensorType::q5_1: return quantize_blocks<BlockQ5_1, 32>(in, blocks);
    case TensorType::q2_k: return quantize_blocks<BlockQ2_K, 256>(in, blocks);
    case TensorType::q3_k: return quantize_blocks<BlockQ3_K, 256>(in, blocks);
    case TensorType::q4_k: return quantize_blocks<BlockQ4_K, 256>(in, blocks);
    case TensorType::q5_k: return quantize_blocks<BlockQ5_K, 256>(in, blocks);
    case TensorType::q6_k: return quantize_blocks<BlockQ6_K, 256>(in, blocks);
    case TensorType::iq4_nl: return quantize_blocks<BlockIQ4_NL, 32>(in, blocks);
    case TensorType::iq4_xs: return quantize_blocks<BlockIQ4_XS, 256>(in, blocks);
  }
}

void convert_rows(TensorType from, const std::byte* in, TensorType to, std::byte* out, std::size_t rows,
                  std::size_t cols) {
  const std::size_t in_stride = row_bytes(from, cols), out_stride = row_bytes(to, cols);
  if (from == to) {
    if (rows * in_stride != 0) std::memcpy(out, in, rows * in_stride);
    return;
  }
  std::vector<float> row(cols);
  for (std::size_t r = 0; r < rows; ++r, in += in_stride, out += out_stride) {
    dequantize(from, in, row);
    quantize(to, row, out);
  }
}

}  // namespace qwen::quant
