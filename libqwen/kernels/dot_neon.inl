// Products of bytes for NEON without dot products. Included inside an anonymous namespace after vec_neon.inl; no
// include guard.

constexpr bool kSignedTiles = true;
template <int kOffset>
inline void prepare_tile_codes(V* code) noexcept {
  if constexpr (kOffset != 0) {
    UNROLL for (int j = 0; j < 8; ++j) code[j] =
        vsubq_s8(code[j], vdupq_n_s8(static_cast<std::int8_t>(kOffset)));
  }
}

// Products are added in 16 bits as long as they fit: 127 times 8 codes of up to 5 bits, 4 of 6 bits, 2 of 8 bits.
template <int kBits, int kLines, int kN, int kT, int kWidth>
[[gnu::always_inline]] inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a,
                                            V (*sum)[kT]) noexcept {
  constexpr int kSize = kBits < 0 ? -kBits : kBits;
  constexpr int kRun = kSize == 8 ? 2 : kSize == 6 ? 4 : 8;
  constexpr int kStep = kRun < kLines ? kRun : kLines;
  UNROLL for (int first = 0; first < kLines; first += kStep) UNROLL for (int n = 0; n < kN; ++n) {
    int8x16_t code[kStep];
    UNROLL for (int j = 0; j < kStep; ++j) code[j] = signed_code<kBits>(codes[n * code_stride + first + j]);
    UNROLL for (int t = 0; t < kT; ++t) {
      int16x8_t low, high;  // rows 0 and 1, rows 2 and 3
      UNROLL for (int j = 0; j < kStep; ++j) {
        const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(a[(first + j) * kWidth + t]));
        if (j == 0) {
          low = vmull_s8(vget_low_s8(code[j]), vget_low_s8(x));
          high = vmull_high_s8(code[j], x);
        } else {
          low = vmlal_s8(low, vget_low_s8(code[j]), vget_low_s8(x));
          high = vmlal_high_s8(high, code[j], x);
        }
      }
      const int32x4_t pairs = vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
      sum[n][t] = vreinterpretq_s8_s32(vaddq_s32(vreinterpretq_s32_s8(sum[n][t]), pairs));
    }
  }
}
