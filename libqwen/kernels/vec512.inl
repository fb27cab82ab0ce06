// Integers and floats of sixteen rows: AVX-512 with VNNI. Included inside an anonymous namespace; no include guard.

using V = __m512i;
using F = __m512;
constexpr int kVecRows = 16, kVecs = 1, kTileVecs = 2, kRegisterTokens = 6, kStreamTokens = 8;

inline V vload(const std::uint8_t* p) noexcept {
  return _mm512_loadu_si512(p);
}
inline void vstore(std::uint8_t* p, V v) noexcept {
  _mm512_storeu_si512(p, v);
}
// Four vectors, one dword a row: dword i of 16 bytes that each row has every kLowRowBytes bytes.
inline void load_rows_of_dwords(const std::uint8_t* p, V* dwords) noexcept {
  const auto row = [p](int r) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + r * kLowRowBytes));
  };
  // Vector z has rows z, z + 4, z + 8, z + 12; transposing 4 x 4 dwords in each 128-bit part orders the rows.
  const auto rows = [&](int z) {
    V v = _mm512_castsi128_si512(row(z));
    v = _mm512_inserti32x4(v, row(z + 4), 1);
    v = _mm512_inserti32x4(v, row(z + 8), 2);
    return _mm512_inserti32x4(v, row(z + 12), 3);
  };
  const V a = rows(0), b = rows(1), c = rows(2), d = rows(3);
  const V ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
  const V cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
  dwords[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
  dwords[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
  dwords[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
  dwords[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
}
inline V vadd32(V a, V b) noexcept {
  return _mm512_add_epi32(a, b);
}
inline V vand(V a, V b) noexcept {
  return _mm512_and_si512(a, b);
}
inline V vor(V a, V b) noexcept {
  return _mm512_or_si512(a, b);
}
inline V vsplat8(int x) noexcept {
  return _mm512_set1_epi8(static_cast<char>(x));
}
inline V vset1(std::int32_t x) noexcept {
  return _mm512_set1_epi32(x);
}
template <int n>
inline V shift_right(V v) noexcept {
  return _mm512_srli_epi16(v, n);
}
template <int n>
inline V shift_left(V v) noexcept {
  return _mm512_slli_epi16(v, n);
}
// The table's values + 128.
inline V iq4_lookup(V code) noexcept {
  const __m128i table =
      _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, static_cast<char>(129), static_cast<char>(141),
                    static_cast<char>(153), static_cast<char>(166), static_cast<char>(181),
                    static_cast<char>(197), static_cast<char>(217), static_cast<char>(241));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), code);
}
inline F fzero() noexcept {
  return _mm512_setzero_ps();
}
inline F fset1(float x) noexcept {
  return _mm512_set1_ps(x);
}
inline F fload(const float* p) noexcept {
  return _mm512_loadu_ps(p);
}
inline void fstore(float* p, F v) noexcept {
  _mm512_storeu_ps(p, v);
}
inline F fmul(F a, F b) noexcept {
  return _mm512_mul_ps(a, b);
}
inline F ffma(F a, F b, F c) noexcept {
  return _mm512_fmadd_ps(a, b, c);
}
inline F to_float(V v) noexcept {
  return _mm512_cvtepi32_ps(v);
}
constexpr std::int32_t kSumStart = 0;
inline F sum_to_float(V v) noexcept {
  return to_float(v);
}
constexpr bool kSignedTiles = false;
template <int kOffset>
void prepare_tile_codes(V*) noexcept;
inline F half_to_float(const std::uint16_t* p) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m128i bytes16(const std::uint8_t* p) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline F i8_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes16(p)));
}
inline F u8_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes16(p)));
}
inline F low_nibble_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_cvtepu8_epi32(bytes16(p)), _mm512_set1_epi32(15)));
}
inline F high_nibble_to_float(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(bytes16(p)), 4));
}

constexpr bool kSignedBytes = false;

template <int kBits, int kLines, int kN, int kT, int kWidth>
inline void dot_tile(const V* codes, int code_stride, const std::int32_t* a, V (*sum)[kT]) noexcept {
#pragma GCC unroll 16
  for (int j = 0; j < kLines; ++j)
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) {
      const V x = _mm512_set1_epi32(a[j * kWidth + t]);
#pragma GCC unroll 16
      for (int n = 0; n < kN; ++n) sum[n][t] = _mm512_dpbusd_epi32(sum[n][t], codes[n * code_stride + j], x);
    }
}

#include "kernels/low_plane_x86.inl"
