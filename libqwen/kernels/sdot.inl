// Products of bytes by sdot, which takes an activation by its lane. Included inside an anonymous namespace after
// vec_neon.inl; no include guard.

template <int kValue>
struct Constant {
  static constexpr int value = kValue;
};
// fn(Constant<kFirst>()), ..., fn(Constant<kEnd - 1>()): lane numbers must be constants.
template <int kFirst, int kEnd, class Fn>
[[gnu::always_inline]] inline void for_constants(const Fn& fn) noexcept {
  if constexpr (kFirst < kEnd) {
    fn(Constant<kFirst>());
    for_constants<kFirst + 1, kEnd>(fn);
  }
}

// Up to four dwords of activations that a lane number selects from; kCount of them exist. A single token's are
// consecutive lines, several tokens' are consecutive tokens of a line.
template <int kCount>
[[gnu::always_inline]] inline int8x16_t load_dwords(const std::int32_t* a) noexcept {
  if constexpr (kCount >= 4) return vreinterpretq_s8_s32(vld1q_s32(a));
  if constexpr (kCount == 1) return vreinterpretq_s8_s32(vdupq_n_s32(a[0]));
  const int32x2_t two = vld1_s32(a);
  if constexpr (kCount == 2) return vreinterpretq_s8_s32(vcombine_s32(two, vdup_n_s32(0)));
  return vreinterpretq_s8_s32(vcombine_s32(two, vdup_n_s32(a[2])));
}

template <int kLane>
[[gnu::always_inline]] inline void add_dot(V& sum, int8x16_t code, int8x16_t x) noexcept {
  sum = vreinterpretq_s8_s32(vdotq_laneq_s32(vreinterpretq_s32_s8(sum), code, x, kLane));
}

template <int kBits, int kLines, int kN, int kT, int kWidth>
[[gnu::always_inline]] inline void dot_each(const V* codes, int code_stride, const std::int32_t* a,
                                            V (*sum)[kT]) noexcept {
  if constexpr (kWidth == 1) {
    for_constants<0, kLines / 4>([&](auto group) {
      constexpr int kLine = decltype(group)::value * 4;
      const int8x16_t x = load_dwords<4>(a + kLine);
      for_constants<0, 4>([&](auto j) {
        UNROLL for (int n = 0; n < kN; ++n) add_dot<decltype(j)::value>(
            sum[n][0], signed_code<kBits>(codes[n * code_stride + kLine + decltype(j)::value]), x);
      });
    });
  } else {
    constexpr int kFirst = kT < 4 ? kT : 4, kRest = kT - kFirst;
    UNROLL for (int j = 0; j < kLines; ++j) {
      const int8x16_t x = load_dwords<kFirst>(a + j * kWidth);
      int8x16_t later = x;
      if constexpr (kRest > 0) later = load_dwords<kRest>(a + j * kWidth + 4);
      UNROLL for (int n = 0; n < kN; ++n) {
        const int8x16_t code = signed_code<kBits>(codes[n * code_stride + j]);
        for_constants<0, kFirst>(
            [&](auto t) { add_dot<decltype(t)::value>(sum[n][decltype(t)::value], code, x); });
        for_constants<0, kRest>(
            [&](auto t) { add_dot<decltype(t)::value>(sum[n][decltype(t)::value + 4], code, later); });
      }
    }
  }
}
