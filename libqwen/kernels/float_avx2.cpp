// Float kernels for AVX2 with FMA and F16C.
#include <immintrin.h>

#include <xsimd/xsimd.hpp>

#include "kernels/kernels.h"

namespace qwen::kernels {
namespace {

#include "kernels/common.inl"

using Arch = xsimd::fma3<xsimd::avx2>;
using Batch = xsimd::batch<float, Arch>;
// xsimd 8.1 does not fuse on this architecture.
inline Batch fused(const Batch& a, const Batch& b, const Batch& c) noexcept {
  return Batch(_mm256_fmadd_ps(a, b, c));
}

#include "kernels/lanes.inl"

inline Lanes load_f16(const std::uint16_t* x) noexcept {
  const auto half = [&](int i) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)));
  };
  return {{Batch(half(0)), Batch(half(8))}};
}
inline Lanes load_bf16(const std::uint16_t* x) noexcept {
  const auto half = [&](int i) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  };
  return {{Batch(half(0)), Batch(half(8))}};
}

#include "kernels/float_kernels.inl"

#include "kernels/float_matmul.inl"

// As scalar.cpp.
void quantize_block(const float* x, int token, int block, const Activations& out) noexcept {
  const int width = out.width, tile = token / width, lane = token % width;
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 v[4];
  __m256 top = _mm256_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_loadu_ps(x + 8 * i);
    // The second operand is what counts beside something that is not a number.
    top = _mm256_max_ps(_mm256_andnot_ps(sign, v[i]), top);
  }
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(top), _mm256_extractf128_ps(top, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  m = _mm_max_ss(m, _mm_shuffle_ps(m, m, 1));
  const float largest = _mm_cvtss_f32(m);
  const float inverse = largest > 1e-36f ? 127.0f / largest : 0.0f;
  const auto at = static_cast<std::size_t>(tile) * static_cast<std::size_t>(out.cols / kBlock) +
                  static_cast<std::size_t>(block);
  auto* neg_sum = out.neg_sum + at * 2 * static_cast<std::size_t>(width) + lane;
  auto* q = reinterpret_cast<std::int32_t*>(out.q) + at * 8 * static_cast<std::size_t>(width) + lane;
  const auto rounded = [inverse](__m256 x) {
    const __m256 scaled = _mm256_mul_ps(x, _mm256_set1_ps(inverse));
    const __m256i number = _mm256_castps_si256(_mm256_cmp_ps(scaled, scaled, _CMP_ORD_Q));
    return _mm256_and_si256(_mm256_cvtps_epi32(scaled), number);
  };
  for (int h = 0; h < 2; ++h) {
    const __m256i a = rounded(v[2 * h]), b = rounded(v[2 * h + 1]);
    const __m256i both = _mm256_add_epi32(a, b);
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
    neg_sum[h * width] = -_mm_cvtsi128_si32(s);
    // Packs work within 128-bit halves: 16-bit, then 8-bit, then the halves' dwords in order.
    const __m256i words = _mm256_packs_epi32(a, b);
    const __m256i bytes = _mm256_packs_epi16(words, words);
    alignas(32) std::int32_t dwords[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(dwords), bytes);
    q[(4 * h) * width] = dwords[0];
    q[(4 * h + 1) * width] = dwords[4];
    q[(4 * h + 2) * width] = dwords[1];
    q[(4 * h + 3) * width] = dwords[5];
  }
  out.scale[at * static_cast<std::size_t>(width) + static_cast<std::size_t>(lane)] =
      inverse > 0 ? largest / 127.0f : 0.0f;
}

constexpr FloatKernels kTable = {rms_norm, add, silu_mul, rope, attention, quantize_block, float_matmul};

}  // namespace

const FloatKernels* const kAvx2Float = &kTable;

}  // namespace qwen::kernels
