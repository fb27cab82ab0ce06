// AVX2 with AVX-VNNI: the 256-bit dot product of Alder Lake, Zen 5 and later, without AVX-512.
#include <immintrin.h>

#include <xsimd/xsimd.hpp>

#include "kernels/kernels.h"
#include "kernels/panel.h"

namespace qwen::kernels {
namespace {

#include "kernels/vec256.inl"

#include "kernels/float_kernels.inl"

constexpr bool kSignedBytes = false;

template <int kBits, int kLines, int kN, int kT, int kWidth>
inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a, V (*sum)[kT]) noexcept {
#pragma GCC unroll 16
  for (int j = 0; j < kLines; ++j)
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const V x = _mm256_set1_epi32(a[j * kWidth + t]);
#pragma GCC unroll 16
      for (int n = 0; n < kN; ++n)
        sum[n][t] = _mm256_dpbusd_avx_epi32(sum[n][t], codes[n * code_stride + j], x);
    }
}

#include "kernels/quantized.inl"

#include "kernels/float_matmul.inl"

constexpr Kernels kKernels = {Isa::avxvnni, rms_norm,       add,    silu_mul, rope,
                              attention,    quantize_block, matmul, estimate};

}  // namespace

const Kernels* const kAvxVnniKernels = &kKernels;

}  // namespace qwen::kernels
