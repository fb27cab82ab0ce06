// Products of bytes for NEON with smmla. Included inside an anonymous namespace; no include guard.

#include "kernels/sdot.inl"

// smmla multiplies 2 rows x 8 columns by 8 columns x 2 tokens. Two lines hold 8 columns of 4 rows; zipping their
// dwords makes the operands. The pairs of sums are put in row order once per group.
template <int kBits, int kLines, int kN, int kWidth>
[[gnu::always_inline]] inline void matrix_pair(const V* codes, int code_stride, const std::int32_t* a,
                                               V* sum0, V* sum1, int sum_stride) noexcept {
  int8x16_t x[kLines / 2];
  UNROLL for (int j = 0; j < kLines / 2; ++j) x[j] = vreinterpretq_s8_s32(
      vcombine_s32(vzip1_s32(vld1_s32(a + 2 * j * kWidth), vld1_s32(a + (2 * j + 1) * kWidth)),
                   vzip2_s32(vld1_s32(a + 2 * j * kWidth), vld1_s32(a + (2 * j + 1) * kWidth))));
  UNROLL for (int n = 0; n < kN; ++n) {
    int32x4_t upper = vdupq_n_s32(0), lower = upper;  // rows 0 and 1, rows 2 and 3, each by two tokens
    UNROLL for (int j = 0; j < kLines / 2; ++j) {
      const V* line = codes + n * code_stride + 2 * j;
      const int32x4_t first = vreinterpretq_s32_s8(signed_code<kBits>(line[0]));
      const int32x4_t second = vreinterpretq_s32_s8(signed_code<kBits>(line[1]));
      upper = vmmlaq_s32(upper, vreinterpretq_s8_s32(vzip1q_s32(first, second)), x[j]);
      lower = vmmlaq_s32(lower, vreinterpretq_s8_s32(vzip2q_s32(first, second)), x[j]);
    }
    V& s0 = sum0[n * sum_stride];
    V& s1 = sum1[n * sum_stride];
    s0 = vreinterpretq_s8_s32(vaddq_s32(vreinterpretq_s32_s8(s0), vuzp1q_s32(upper, lower)));
    s1 = vreinterpretq_s8_s32(vaddq_s32(vreinterpretq_s32_s8(s1), vuzp2q_s32(upper, lower)));
  }
}

// Tiles hold the operands: the lines of a pair zipped.
constexpr bool kSignedTiles = true;
template <int kOffset>
inline void prepare_tile_codes(V* code) noexcept {
  const int8x16_t offset = vdupq_n_s8(static_cast<std::int8_t>(kOffset));
  UNROLL for (int j = 0; j < 8; j += 2) {
    const int32x4_t first = vreinterpretq_s32_s8(kOffset != 0 ? vsubq_s8(code[j], offset) : code[j]);
    const int32x4_t second = vreinterpretq_s32_s8(kOffset != 0 ? vsubq_s8(code[j + 1], offset) : code[j + 1]);
    code[j] = vreinterpretq_s8_s32(vzip1q_s32(first, second));
    code[j + 1] = vreinterpretq_s8_s32(vzip2q_s32(first, second));
  }
}

// The operands of a pair of lines, one for each pair of tokens. A last token without a partner is paired with itself.
template <int kT, int kWidth>
[[gnu::always_inline]] inline void load_token_pairs(const std::int32_t* a, int8x16_t* x) noexcept {
  UNROLL for (int t = 0; t < kT; t += 4) {
    if (kT - t >= 4) {
      const int32x4_t first = vld1q_s32(a + t), second = vld1q_s32(a + kWidth + t);
      x[t / 2] = vreinterpretq_s8_s32(vzip1q_s32(first, second));
      x[t / 2 + 1] = vreinterpretq_s8_s32(vzip2q_s32(first, second));
    } else {
      if (kT - t >= 2) {
        const auto half = [](const std::int32_t* p) { return vcombine_s32(vld1_s32(p), vdup_n_s32(0)); };
        x[t / 2] = vreinterpretq_s8_s32(vzip1q_s32(half(a + t), half(a + kWidth + t)));
      }
      if (kT % 2 == 1)
        x[kT / 2] = vreinterpretq_s8_s32(vzip1q_s32(vdupq_n_s32(a[kT - 1]), vdupq_n_s32(a[kWidth + kT - 1])));
    }
  }
}

template <int kLines, int kN, int kT, int kWidth>
[[gnu::always_inline]] inline void dot_prepared(const V* codes, int code_stride, const std::int32_t* a,
                                                V (*sum)[kT]) noexcept {
  constexpr int kPairs = (kT + 1) / 2;
  int32x4_t upper[kN][kPairs], lower[kN][kPairs];  // rows 0 and 1, rows 2 and 3, each by two tokens
  UNROLL for (int n = 0; n < kN; ++n) UNROLL for (int p = 0; p < kPairs; ++p) upper[n][p] = lower[n][p] =
      vdupq_n_s32(kSumStart);
  UNROLL for (int j = 0; j < kLines; j += 2) {
    int8x16_t x[kPairs];
    load_token_pairs<kT, kWidth>(a + j * kWidth, x);
    UNROLL for (int n = 0; n < kN; ++n) {
      const V* line = codes + n * code_stride + j;
      UNROLL for (int p = 0; p < kPairs; ++p) upper[n][p] = vmmlaq_s32(upper[n][p], line[0], x[p]);
      UNROLL for (int p = 0; p < kPairs; ++p) lower[n][p] = vmmlaq_s32(lower[n][p], line[1], x[p]);
    }
  }
  UNROLL for (int n = 0; n < kN; ++n) UNROLL for (int t = 0; t < kT; ++t) {
    const int32x4_t u = upper[n][t / 2], l = lower[n][t / 2];
    sum[n][t] = vreinterpretq_s8_s32(t % 2 == 0 ? vuzp1q_s32(u, l) : vuzp2q_s32(u, l));
  }
}

template <int kBits, int kLines, int kN, int kT, int kWidth>
[[gnu::always_inline]] inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a,
                                            V (*sum)[kT]) noexcept {
  if constexpr (kBits < 0) {
    dot_prepared<kLines, kN, kT, kWidth>(codes, code_stride, a, sum);
  } else if constexpr (kT == 1) {
    dot_each<kBits, kLines, kN, kT, kWidth>(codes, code_stride, a, sum);
  } else {
    UNROLL for (int t = 0; t + 1 < kT; t += 2)
        matrix_pair<kBits, kLines, kN, kWidth>(codes, code_stride, a + t, &sum[0][t], &sum[0][t + 1], kT);
    if constexpr (kT % 2 == 1) {
      UNROLL for (int j = 0; j < kLines; ++j) {
        const int8x16_t x = load_dwords<1>(a + j * kWidth + kT - 1);
        UNROLL for (int n = 0; n < kN; ++n)
            add_dot<0>(sum[n][kT - 1], signed_code<kBits>(codes[n * code_stride + j]), x);
      }
    }
  }
}
