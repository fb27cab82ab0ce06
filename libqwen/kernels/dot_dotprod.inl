// Products of bytes for NEON with sdot. Included inside an anonymous namespace; no include guard.

#include "kernels/sdot.inl"

template <int kBits, int kLines, int kN, int kT, int kWidth>
[[gnu::always_inline]] inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a,
                                            V (*sum)[kT]) noexcept {
  dot_each<kBits, kLines, kN, kT, kWidth>(codes, code_stride, a, sum);
}
