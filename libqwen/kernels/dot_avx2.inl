// Products of bytes for AVX2. Included inside an anonymous namespace after vec256.inl; no include guard.

constexpr bool kSignedBytes = true;

// Ends an expression: GCC would else add the products of all lines in a tree, and spill each of them.
inline void keep_in_register(V& sum) noexcept {
  asm("" : "+x"(sum));
}

// Products of unsigned codes and signed activations, pairs added in 16 bits. Codes of up to 4 bits leave room
// for the sums of 8 dwords there (8 * 2 * 15 * 127 < 2^15), of 5 bits for 4, of 6 bits for 2; 8-bit codes are
// taken with their offset, as absolute value times sign: 2 * 128 * 127 < 2^15.
template <int kBits, int kLines, int kN, int kT, int kWidth>
inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a, V (*sum)[kT]) noexcept {
  constexpr int kRun = kBits == 8 ? 1 : kBits == 6 ? 2 : kBits == 5 ? 4 : 8;
  constexpr int kStep = kRun < kLines ? kRun : kLines;
  constexpr bool kKeep = kT > 1;
  const V ones = _mm256_set1_epi16(1);
  UNROLL for (int first = 0; first < kLines; first += kStep) {
    V words[kN][kT];
    UNROLL for (int j = first; j < first + kStep; ++j) {
      V code[kN], size[kN];
      UNROLL for (int n = 0; n < kN; ++n) {
        code[n] = size[n] = codes[n * code_stride + j];
        if constexpr (kBits == 8) {
          code[n] = _mm256_xor_si256(code[n], _mm256_set1_epi8(static_cast<char>(0x80)));
          size[n] = _mm256_abs_epi8(code[n]);
        }
      }
      UNROLL for (int t = 0; t < kT; ++t) {
        const V x = _mm256_set1_epi32(a[j * kWidth + t]);
        UNROLL for (int n = 0; n < kN; ++n) {
          const V product = _mm256_maddubs_epi16(size[n], kBits == 8 ? _mm256_sign_epi8(x, code[n]) : x);
          words[n][t] = j == first ? product : _mm256_add_epi16(words[n][t], product);
          if constexpr (kKeep && kStep > 1) keep_in_register(words[n][t]);
        }
      }
    }
    UNROLL for (int t = 0; t < kT; ++t) UNROLL for (int n = 0; n < kN; ++n) {
      sum[n][t] = _mm256_add_epi32(sum[n][t], _mm256_madd_epi16(words[n][t], ones));
      if constexpr (kKeep) keep_in_register(sum[n][t]);
    }
  }
}
