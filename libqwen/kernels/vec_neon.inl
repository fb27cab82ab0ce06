// Integers and floats of four rows: NEON. Included inside an anonymous namespace; no include guard.

using V = int8x16_t;
using F = float32x4_t;
constexpr int kVecRows = 4, kVecs = 4, kTileVecs = 2, kRegisterTokens = 6, kStreamTokens = 6;

inline V vload(const std::uint8_t* p) noexcept {
  return vreinterpretq_s8_u8(vld1q_u8(p));
}
inline void vstore(std::uint8_t* p, V v) noexcept {
  vst1q_u8(p, vreinterpretq_u8_s8(v));
}
// Four vectors, one dword a row: dword i of 16 bytes that each row has every kLowRowBytes bytes.
inline void load_rows_of_dwords(const std::uint8_t* p, V* dwords) noexcept {
  const auto row = [p](int r) { return vreinterpretq_s32_u8(vld1q_u8(p + r * kLowRowBytes)); };
  const int32x4_t a = row(0), b = row(1), c = row(2), d = row(3);
  const int64x2_t ab_low = vreinterpretq_s64_s32(vzip1q_s32(a, b)),
                  ab_high = vreinterpretq_s64_s32(vzip2q_s32(a, b));
  const int64x2_t cd_low = vreinterpretq_s64_s32(vzip1q_s32(c, d)),
                  cd_high = vreinterpretq_s64_s32(vzip2q_s32(c, d));
  dwords[0] = vreinterpretq_s8_s64(vzip1q_s64(ab_low, cd_low));
  dwords[1] = vreinterpretq_s8_s64(vzip2q_s64(ab_low, cd_low));
  dwords[2] = vreinterpretq_s8_s64(vzip1q_s64(ab_high, cd_high));
  dwords[3] = vreinterpretq_s8_s64(vzip2q_s64(ab_high, cd_high));
}
inline V vadd32(V a, V b) noexcept {
  return vreinterpretq_s8_s32(vaddq_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}
inline V vand(V a, V b) noexcept {
  return vandq_s8(a, b);
}
inline V vor(V a, V b) noexcept {
  return vorrq_s8(a, b);
}
inline V vsplat8(int x) noexcept {
  return vdupq_n_s8(static_cast<std::int8_t>(x));
}
inline V vset1(std::int32_t x) noexcept {
  return vreinterpretq_s8_s32(vdupq_n_s32(x));
}
template <int n>
inline V shift_right(V v) noexcept {
  return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(v), n));
}
template <int n>
inline V shift_left(V v) noexcept {
  return vshlq_n_s8(v, n);
}
// The table's values + 128.
inline V iq4_lookup(V code) noexcept {
  constexpr std::uint8_t kTable[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                       129, 141, 153, 166, 181, 197, 217, 241};
  return vreinterpretq_s8_u8(vqtbl1q_u8(vld1q_u8(kTable), vreinterpretq_u8_s8(code)));
}
inline F fzero() noexcept {
  return vdupq_n_f32(0);
}
inline F fset1(float x) noexcept {
  return vdupq_n_f32(x);
}
inline F fload(const float* p) noexcept {
  return vld1q_f32(p);
}
inline void fstore(float* p, F v) noexcept {
  vst1q_f32(p, v);
}
inline F fmul(F a, F b) noexcept {
  return vmulq_f32(a, b);
}
inline F ffma(F a, F b, F c) noexcept {
  return vfmaq_f32(c, a, b);
}
inline F to_float(V v) noexcept {
  return vcvtq_f32_s32(vreinterpretq_s32_s8(v));
}
// Integer sums start at the bits of 1.5 * 2^23: as a float, such a sum is 1.5 * 2^23 + sum, exact below 2^22 (a
// group's is at most 32 * 128 * 127). One subtraction makes it a float; a conversion takes four times as long on
// Cortex-A76.
constexpr std::int32_t kSumStart = 0x4B400000;
inline F sum_to_float(V v) noexcept {
  return vsubq_f32(vreinterpretq_f32_s8(v), vdupq_n_f32(12582912.0f));
}
inline F half_to_float(const std::uint16_t* p) noexcept {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
inline uint8x8_t bytes4(const std::uint8_t* p) noexcept {
  std::uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpret_u8_u32(vdup_n_u32(four));
}
inline F i8_to_float(const std::uint8_t* p) noexcept {
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(bytes4(p))))));
}
inline F small_to_float(uint8x8_t bytes) noexcept {
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}
inline F u8_to_float(const std::uint8_t* p) noexcept {
  return small_to_float(bytes4(p));
}
inline F low_nibble_to_float(const std::uint8_t* p) noexcept {
  return small_to_float(vand_u8(bytes4(p), vdup_n_u8(15)));
}
inline F high_nibble_to_float(const std::uint8_t* p) noexcept {
  return small_to_float(vshr_n_u8(bytes4(p), 4));
}

// sums[i * kPanelRows] = 16 * sums[i * kPanelRows] + the products of block i's low nibbles, for up to four
// blocks of one row: `nibbles` [4][16] bytes, q [4][32]. Byte i of a block holds columns i and i + 16.
inline void add_low_sums(const std::uint8_t* nibbles, const std::int8_t* q, int blocks,
                         std::int32_t* sums) noexcept {
  for (int i = 0; i < blocks; ++i) {
    const uint8x16_t both = vld1q_u8(nibbles + i * 16);
    const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
    const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
    const int8x16_t a = vld1q_s8(q + i * kBlock), b = vld1q_s8(q + i * kBlock + 16);
    int16x8_t products = vmull_s8(vget_low_s8(low), vget_low_s8(a));  // four of them are below 2^15
    products = vmlal_s8(products, vget_high_s8(low), vget_high_s8(a));
    products = vmlal_s8(products, vget_low_s8(high), vget_low_s8(b));
    products = vmlal_s8(products, vget_high_s8(high), vget_high_s8(b));
    sums[i * kPanelRows] = sums[i * kPanelRows] * 16 + vaddlvq_s16(products);
  }
}

constexpr bool kSignedBytes = true;

// 8-bit codes as signed bytes; narrower ones are both, and so are those of tiles (negative kBits).
template <int kBits>
inline int8x16_t signed_code(V code) noexcept {
  if constexpr (kBits == 8) return veorq_s8(code, vdupq_n_s8(-128));
  return code;
}
