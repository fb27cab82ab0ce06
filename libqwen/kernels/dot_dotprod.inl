// Products of bytes for NEON with sdot. Included inside an anonymous namespace; no include guard.

#include "kernels/sdot.inl"

constexpr bool kSignedTiles = true;
template <int kOffset>
inline void prepare_tile_codes(V* code) noexcept {
  if constexpr (kOffset != 0) {
    UNROLL for (int j = 0; j < 8; ++j) code[j] =
        vsubq_s8(code[j], vdupq_n_s8(static_cast<std::int8_t>(kOffset)));
  }
}

template <int kBits, int kLines, int kN, int kT, int kWidth>
[[gnu::always_inline]] inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a,
                                            V (*sum)[kT]) noexcept {
  dot_each<kBits, kLines, kN, kT, kWidth>(codes, code_stride, a, sum);
}
