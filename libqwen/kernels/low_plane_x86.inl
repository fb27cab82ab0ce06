// The low nibble plane of kQ8TwoPlane for x86. Included inside an anonymous namespace; no include guard.

// sums[i * kPanelRows] = 16 * sums[i * kPanelRows] + the products of block i's low nibbles, for up to four
// blocks of one row: `nibbles` [4][16] bytes, q [4][32]. Byte i of a block holds columns i and i + 16.
inline void add_low_sums(const std::uint8_t* nibbles, const std::int8_t* q, int blocks,
                         std::int32_t* sums) noexcept {
  const __m256i low = _mm256_set1_epi8(0x0F), ones = _mm256_set1_epi16(1);
  __m256i part[kLowBlocks];
#pragma GCC unroll 4
  for (int i = 0; i < kLowBlocks; ++i) {
    const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(nibbles + i * 16));
    const __m256i codes = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(both, 4), both), low);
    const int at = i < blocks ? i * kBlock : 0;  // the blocks behind the end are zeros
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + at));
    part[i] = _mm256_madd_epi16(_mm256_maddubs_epi16(codes, x), ones);
  }
  const __m256i halves =
      _mm256_hadd_epi32(_mm256_hadd_epi32(part[0], part[1]), _mm256_hadd_epi32(part[2], part[3]));
  alignas(16) std::int32_t total[kLowBlocks];
  _mm_store_si128(reinterpret_cast<__m128i*>(total),
                  _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
  for (int i = 0; i < blocks; ++i) sums[i * kPanelRows] = sums[i * kPanelRows] * 16 + total[i];
}
