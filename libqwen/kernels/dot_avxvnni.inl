// Products of bytes for AVX-VNNI. Included inside an anonymous namespace after vec256.inl; no include guard.

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
