// Float kernels for AVX-512.
#include <immintrin.h>

#include <xsimd/xsimd.hpp>

#include "kernels/kernels.h"

namespace qwen::kernels {
namespace {

#include "kernels/common.inl"

using Arch = xsimd::avx512bw;
using Batch = xsimd::batch<float, Arch>;
inline Batch fused(const Batch& a, const Batch& b, const Batch& c) noexcept {
  return Batch(_mm512_fmadd_ps(a, b, c));
}

#include "kernels/lanes.inl"

inline Lanes load_f16(const std::uint16_t* x) noexcept {
  return {{Batch(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))))}};
}
inline Lanes load_bf16(const std::uint16_t* x) noexcept {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  return {{Batch(_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)))}};
}

#include "kernels/float_kernels.inl"

#include "kernels/float_matmul.inl"

// As scalar.cpp.
void quantize_block(const float* x, int token, int block, const Activations& out) noexcept {
  const int width = out.width, tile = token / width, lane = token % width;
  const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
  // The second operand is what counts beside something that is not a number.
  const __m512 top = _mm512_max_ps(_mm512_abs_ps(a), _mm512_setzero_ps());
  const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(b), top));
  const float inverse = largest > 1e-36f ? 127.0f / largest : 0.0f;
  const __m512 by = _mm512_set1_ps(inverse);
  const auto rounded = [by](__m512 x) {
    const __m512 scaled = _mm512_mul_ps(x, by);
    return _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(scaled, scaled, _CMP_ORD_Q), scaled);
  };
  const __m512i qa = rounded(a), qb = rounded(b);
  const auto at = static_cast<std::size_t>(tile) * static_cast<std::size_t>(out.cols / kBlock) +
                  static_cast<std::size_t>(block);
  alignas(32) std::int32_t dwords[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(dwords), _mm512_cvtepi32_epi8(qa));
  _mm_store_si128(reinterpret_cast<__m128i*>(dwords + 4), _mm512_cvtepi32_epi8(qb));
  auto* q = reinterpret_cast<std::int32_t*>(out.q) + at * 8 * static_cast<std::size_t>(width) + lane;
  for (int j = 0; j < 8; ++j) q[j * width] = dwords[j];
  out.scale[at * static_cast<std::size_t>(width) + static_cast<std::size_t>(lane)] =
      inverse > 0 ? largest / 127.0f : 0.0f;
  auto* neg_sum = out.neg_sum + at * 2 * static_cast<std::size_t>(width) + lane;
  neg_sum[0] = -_mm512_reduce_add_epi32(qa);
  neg_sum[width] = -_mm512_reduce_add_epi32(qb);
}

constexpr FloatKernels kTable = {rms_norm, add, silu_mul, rope, attention, quantize_block, float_matmul};

}  // namespace

const FloatKernels* const kAvx512Float = &kTable;

}  // namespace qwen::kernels
