// Integers and floats of eight rows: AVX2 and AVX-VNNI. Included inside an anonymous namespace; no include guard.

using V = __m256i;
using F = __m256;
constexpr int kVecRows = 8, kVecs = 2, kTileVecs = 2, kRegisterTokens = 3, kStreamTokens = 6;

inline V vload(const std::uint8_t* p) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void vstore(std::uint8_t* p, V v) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}
// Four vectors, one dword a row: dword i of 16 bytes that each row has every kLowRowBytes bytes.
inline void load_rows_of_dwords(const std::uint8_t* p, V* dwords) noexcept {
  const auto row = [p](int r) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + r * kLowRowBytes));
  };
  // Vector z has rows z and z + 4; transposing 4 x 4 dwords in each 128-bit half orders the rows.
  const auto rows = [&](int z) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(row(z)), row(z + 4), 1);
  };
  const V a = rows(0), b = rows(1), c = rows(2), d = rows(3);
  const V ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
  const V cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
  dwords[0] = _mm256_unpacklo_epi64(ab_low, cd_low);
  dwords[1] = _mm256_unpackhi_epi64(ab_low, cd_low);
  dwords[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
  dwords[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
}
inline V vadd32(V a, V b) noexcept {
  return _mm256_add_epi32(a, b);
}
inline V vand(V a, V b) noexcept {
  return _mm256_and_si256(a, b);
}
inline V vor(V a, V b) noexcept {
  return _mm256_or_si256(a, b);
}
inline V vsplat8(int x) noexcept {
  return _mm256_set1_epi8(static_cast<char>(x));
}
inline V vset1(std::int32_t x) noexcept {
  return _mm256_set1_epi32(x);
}
template <int n>
inline V shift_right(V v) noexcept {
  return _mm256_srli_epi16(v, n);
}
template <int n>
inline V shift_left(V v) noexcept {
  return _mm256_slli_epi16(v, n);
}
// The table's values + 128.
inline V iq4_lookup(V code) noexcept {
  const __m128i table =
      _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, static_cast<char>(129), static_cast<char>(141),
                    static_cast<char>(153), static_cast<char>(166), static_cast<char>(181),
                    static_cast<char>(197), static_cast<char>(217), static_cast<char>(241));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), code);
}
inline F fzero() noexcept {
  return _mm256_setzero_ps();
}
inline F fset1(float x) noexcept {
  return _mm256_set1_ps(x);
}
inline F fload(const float* p) noexcept {
  return _mm256_loadu_ps(p);
}
inline void fstore(float* p, F v) noexcept {
  _mm256_storeu_ps(p, v);
}
inline F fmul(F a, F b) noexcept {
  return _mm256_mul_ps(a, b);
}
inline F ffma(F a, F b, F c) noexcept {
  return _mm256_fmadd_ps(a, b, c);
}
inline F to_float(V v) noexcept {
  return _mm256_cvtepi32_ps(v);
}
constexpr std::int32_t kSumStart = 0;
inline F sum_to_float(V v) noexcept {
  return to_float(v);
}
constexpr bool kSignedTiles = false;
template <int kOffset>
void prepare_tile_codes(V*) noexcept;
inline F half_to_float(const std::uint16_t* p) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m128i bytes8(const std::uint8_t* p) noexcept {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}
inline F i8_to_float(const std::uint8_t* p) noexcept {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes8(p)));
}
inline F u8_to_float(const std::uint8_t* p) noexcept {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes8(p)));
}
inline F low_nibble_to_float(const std::uint8_t* p) noexcept {
  return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_cvtepu8_epi32(bytes8(p)), _mm256_set1_epi32(15)));
}
inline F high_nibble_to_float(const std::uint8_t* p) noexcept {
  return _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_cvtepu8_epi32(bytes8(p)), 4));
}

#include "kernels/low_plane_x86.inl"
