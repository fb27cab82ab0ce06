// Float kernels for NEON.
#include <arm_neon.h>

#include <xsimd/xsimd.hpp>

#include "kernels/kernels.h"

namespace qwen::kernels {
namespace {

#include "kernels/common.inl"

using Arch = xsimd::neon64;
using Batch = xsimd::batch<float, Arch>;
inline Batch fused(const Batch& a, const Batch& b, const Batch& c) noexcept {
  return Batch(vfmaq_f32(c, a, b));
}

#include "kernels/lanes.inl"

inline Lanes load_f16(const std::uint16_t* x) noexcept {
  const auto part = [&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x + i))); };
  return {{Batch(part(0)), Batch(part(4)), Batch(part(8)), Batch(part(12))}};
}
inline Lanes load_bf16(const std::uint16_t* x) noexcept {
  const auto part = [&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(x + i), 16)); };
  return {{Batch(part(0)), Batch(part(4)), Batch(part(8)), Batch(part(12))}};
}

#include "kernels/float_kernels.inl"

#include "kernels/float_matmul.inl"

// As scalar.cpp.
void quantize_block(const float* x, int token, int block, const Activations& out) noexcept {
  const int width = out.width, tile = token / width, lane = token % width;
  float32x4_t v[8];
  float32x4_t top = vdupq_n_f32(0);
  for (int i = 0; i < 8; ++i) {
    v[i] = vld1q_f32(x + 4 * i);
    top = vmaxnmq_f32(top, vabsq_f32(v[i]));  // ignores NaN
  }
  const float largest = vmaxnmvq_f32(top);
  const float inverse = largest > 1e-36f ? 127.0f / largest : 0.0f;
  const auto at = static_cast<std::size_t>(tile) * static_cast<std::size_t>(out.cols / kBlock) +
                  static_cast<std::size_t>(block);
  std::int32_t* neg_sum = out.neg_sum + at * 2 * static_cast<std::size_t>(width) + lane;
  auto* q = reinterpret_cast<std::int32_t*>(out.q) + at * 8 * static_cast<std::size_t>(width) + lane;
  for (int h = 0; h < 2; ++h) {
    int32x4_t code[4];  // NaN becomes 0
    for (int i = 0; i < 4; ++i) code[i] = vcvtnq_s32_f32(vmulq_n_f32(v[4 * h + i], inverse));
    neg_sum[h * width] = -vaddvq_s32(vaddq_s32(vaddq_s32(code[0], code[1]), vaddq_s32(code[2], code[3])));
    const int16x8_t a = vcombine_s16(vmovn_s32(code[0]), vmovn_s32(code[1]));
    const int16x8_t b = vcombine_s16(vmovn_s32(code[2]), vmovn_s32(code[3]));
    std::int32_t dwords[4];
    vst1q_s32(dwords, vreinterpretq_s32_s8(vcombine_s8(vmovn_s16(a), vmovn_s16(b))));
    for (int j = 0; j < 4; ++j) q[(4 * h + j) * width] = dwords[j];
  }
  out.scale[at * static_cast<std::size_t>(width) + static_cast<std::size_t>(lane)] =
      inverse > 0 ? largest / 127.0f : 0.0f;
}

constexpr FloatKernels kTable = {rms_norm, add, silu_mul, rope, attention, quantize_block, float_matmul};

}  // namespace

const FloatKernels* const kNeonFloat = &kTable;

}  // namespace qwen::kernels
