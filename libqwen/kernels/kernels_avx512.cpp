// AVX-512 with VNNI: F, BW, DQ, VL, VBMI and VNNI.
#include <immintrin.h>

#include <xsimd/xsimd.hpp>

#include "kernels/kernels.h"
#include "kernels/panel.h"

namespace qwen::kernels {
namespace {

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

using V = __m512i;
using F = __m512;
constexpr int kVecRows = 16, kVecs = 1, kTileVecs = 2, kStreamTokens = 8;
constexpr bool kSignedBytes = false;

inline V vload(const std::uint8_t* p) noexcept {
  return _mm512_loadu_si512(p);
}
inline void vstore(std::uint8_t* p, V v) noexcept {
  _mm512_storeu_si512(p, v);
}
inline V vand(V a, V b) noexcept {
  return _mm512_and_si512(a, b);
}
inline V vor(V a, V b) noexcept {
  return _mm512_or_si512(a, b);
}
inline V vsplat8(int x) noexcept {
  return _mm512_set1_epi8(static_cast<char>(x));
}
inline V vset1(std::int32_t x) noexcept {
  return _mm512_set1_epi32(x);
}
template <int n>
inline V shift_right(V v) noexcept {
  return _mm512_srli_epi16(v, n);
}
template <int n>
inline V shift_left(V v) noexcept {
  return _mm512_slli_epi16(v, n);
}
// The table's values + 128.
inline V iq4_lookup(V code) noexcept {
  const __m128i table =
      _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, static_cast<char>(129), static_cast<char>(141),
                    static_cast<char>(153), static_cast<char>(166), static_cast<char>(181),
                    static_cast<char>(197), static_cast<char>(217), static_cast<char>(241));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), code);
}
inline F fzero() noexcept {
  return _mm512_setzero_ps();
}
inline F fset1(float x) noexcept {
  return _mm512_set1_ps(x);
}
inline F fload(const float* p) noexcept {
  return _mm512_loadu_ps(p);
}
inline void fstore(float* p, F v) noexcept {
  _mm512_storeu_ps(p, v);
}
inline F fmul(F a, F b) noexcept {
  return _mm512_mul_ps(a, b);
}
inline F ffma(F a, F b, F c) noexcept {
  return _mm512_fmadd_ps(a, b, c);
}
inline F fsqrt(F v) noexcept {
  return _mm512_sqrt_ps(v);
}
inline F to_float(V v) noexcept {
  return _mm512_cvtepi32_ps(v);
}
inline F half_to_float(const std::uint16_t* p) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m128i bytes16(const std::uint8_t* p) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline F i8_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes16(p)));
}
inline F u8_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes16(p)));
}
inline F low_nibble_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_cvtepu8_epi32(bytes16(p)), _mm512_set1_epi32(15)));
}
inline F high_nibble_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(bytes16(p)), 4));
}

template <int kBits, int kLines, int kN, int kT, int kWidth>
inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a, V (*sum)[kT]) noexcept {
#pragma GCC unroll 16
  for (int j = 0; j < kLines; ++j)
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const V x = _mm512_set1_epi32(a[j * kWidth + t]);
#pragma GCC unroll 16
      for (int n = 0; n < kN; ++n) sum[n][t] = _mm512_dpbusd_epi32(sum[n][t], codes[n * code_stride + j], x);
    }
}

#include "kernels/quantized.inl"

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

constexpr Kernels kKernels = {Isa::avx512, rms_norm,       add,    silu_mul, rope,
                              attention,   quantize_block, matmul, estimate};

}  // namespace

const Kernels* const kAvx512Kernels = &kKernels;

}  // namespace qwen::kernels
