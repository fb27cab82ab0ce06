// Products of bytes for AVX2. Included inside an anonymous namespace after vec256.inl; no include guard.

constexpr bool kSignedBytes = true;

// Products of unsigned codes and signed activations, pairs added in 16 bits. Codes of up to 4 bits leave room
// for the sums of 8 dwords there (8 * 2 * 15 * 127 < 2^15), of 5 bits for 4, of 6 bits for 2; 8-bit codes are
// taken with their offset, as absolute value times sign: 2 * 128 * 127 < 2^15.
template <int kBits, int kLines, int kN, int kT, int kWidth>
inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a, V (*sum)[kT]) noexcept {
  static_assert(kN == 1);
  (void)code_stride;
  constexpr int kRun = kBits == 8 ? 1 : kBits == 6 ? 2 : kBits == 5 ? 4 : 8;
  constexpr int kStep = kRun < kLines ? kRun : kLines;
  const V ones = _mm256_set1_epi16(1);
#pragma GCC unroll 16
  for (int first = 0; first < kLines; first += kStep) {
    V words[kT];
#pragma GCC unroll 16
    for (int j = first; j < first + kStep; ++j) {
      V code = codes[j], size = code;
      if constexpr (kBits == 8) {
        code = _mm256_xor_si256(code, _mm256_set1_epi8(static_cast<char>(0x80)));
        size = _mm256_abs_epi8(code);
      }
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        V x = _mm256_set1_epi32(a[j * kWidth + t]);
        if constexpr (kBits == 8) x = _mm256_sign_epi8(x, code);
        const V product = _mm256_maddubs_epi16(size, x);
        words[t] = j == first ? product : _mm256_add_epi16(words[t], product);
      }
    }
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) sum[0][t] = _mm256_add_epi32(sum[0][t], _mm256_madd_epi16(words[t], ones));
  }
}
