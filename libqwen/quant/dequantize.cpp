#include <cstring>

#include "base/half.h"
#include "quant/blocks.h"
#include "quant/quant.h"

namespace qwen::quant {
namespace {

// The factor of a group's integers and the summand of the products.
struct Affine {
  float scale;
  float offset;
};

// One overload for each type; `g` counts the groups of the block.
Affine group_affine(const BlockQ8_0& b, int) {
  return {f16_to_f32(b.d), 0};
}
Affine group_affine(const BlockQ4_0& b, int) {
  return {f16_to_f32(b.d), 0};
}
Affine group_affine(const BlockQ4_1& b, int) {
  return {f16_to_f32(b.d), f16_to_f32(b.m)};
}
Affine group_affine(const BlockQ5_0& b, int) {
  return {f16_to_f32(b.d), 0};
}
Affine group_affine(const BlockQ5_1& b, int) {
  return {f16_to_f32(b.d), f16_to_f32(b.m)};
}
Affine group_affine(const BlockIQ4_NL& b, int) {
  return {f16_to_f32(b.d), 0};
}

Affine group_affine(const BlockQ2_K& b, int g) {
  return {f16_to_f32(b.d) * static_cast<float>(b.scales[g] & 15),
          -(f16_to_f32(b.dmin) * static_cast<float>(b.scales[g] >> 4))};
}
Affine group_affine(const BlockQ3_K& b, int g) {
  return {f16_to_f32(b.d) * static_cast<float>(q3_k_scale(b.scales, g)), 0};
}
template <class Block>
Affine k4_affine(const Block& b, int g) {
  const ScaleMin s = k4_scale_min(b.scales, g);
  return {f16_to_f32(b.d) * static_cast<float>(s.scale), -(f16_to_f32(b.dmin) * static_cast<float>(s.min))};
}
Affine group_affine(const BlockQ4_K& b, int g) {
  return k4_affine(b, g);
}
Affine group_affine(const BlockQ5_K& b, int g) {
  return k4_affine(b, g);
}
Affine group_affine(const BlockQ6_K& b, int g) {
  return {f16_to_f32(b.d) * static_cast<float>(b.scales[g]), 0};
}
Affine group_affine(const BlockIQ4_XS& b, int g) {
  return {f16_to_f32(b.d) * static_cast<float>(iq4_xs_scale(b, g)), 0};
}

// `bytes` may be unaligned: blocks are copied out before they are read.
template <class Block, int kWeights, int kGroup>
void dequantize_blocks(const std::byte* bytes, std::span<float> out) noexcept {
  std::int8_t q[kWeights];
  for (std::size_t first = 0; first + kWeights <= out.size(); first += kWeights, bytes += sizeof(Block)) {
    Block block;
    std::memcpy(&block, bytes, sizeof block);
    unpack(block, q);
    for (int g = 0; g < kWeights / kGroup; ++g) {
      const Affine a = group_affine(block, g);
      float* to = out.data() + first + g * kGroup;
      for (int i = 0; i < kGroup; ++i) to[i] = a.scale * static_cast<float>(q[g * kGroup + i]) + a.offset;
    }
  }
}

template <float (*convert)(std::uint16_t)>
void widen(const std::byte* bytes, std::span<float> out) noexcept {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, 2);
    out[i] = convert(bits);
  }
}

}  // namespace

void dequantize(TensorType type, const std::byte* blocks, std::span<float> out) noexcept {
  switch (type) {
    case TensorType::f32:
      if (!out.empty()) std::memcpy(out.data(), blocks, out.size_bytes());
      return;
    case TensorType::f16: return widen<f16_to_f32>(blocks, out);
    case TensorType::bf16: return widen<bf16_to_f32>(blocks, out);
    case TensorType::q8_0: return dequantize_blocks<BlockQ8_0, 32, 32>(blocks, out);
    case TensorType::q4_0: return dequantize_blocks<BlockQ4_0, 32, 32>(blocks, out);
    case TensorType::q4_1: return dequantize_blocks<BlockQ4_1, 32, 32>(blocks, out);
    case TensorType::q5_0: return dequantize_blocks<BlockQ5_0, 32, 32>(blocks, out);
    case TensorType::q5_1: return dequantize_blocks<BlockQ5_1, 32, 32>(blocks, out);
    case TensorType::q2_k: return dequantize_blocks<BlockQ2_K, 256, 16>(blocks, out);
    case TensorType::q3_k: return dequantize_blocks<BlockQ3_K, 256, 16>(blocks, out);
    case TensorType::q4_k: return dequantize_blocks<BlockQ4_K, 256, 32>(blocks, out);
    case TensorType::q5_k: return dequantize_blocks<BlockQ5_K, 256, 32>(blocks, out);
    case TensorType::q6_k: return dequantize_blocks<BlockQ6_K, 256, 16>(blocks, out);
    case TensorType::iq4_nl: return dequantize_blocks<BlockIQ4_NL, 32, 32>(blocks, out);
    case TensorType::iq4_xs: return dequantize_blocks<BlockIQ4_XS, 256, 32>(blocks, out);
  }
}

}  // namespace qwen::quant
