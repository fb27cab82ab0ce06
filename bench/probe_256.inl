// The 256-bit loops of probe_loops.h; included by the files of the two 256-bit levels.
#include <immintrin.h>

#include "probe_loops.h"

namespace qwen::bench {
namespace {

// Keeps a register's content from being known to the compiler.
inline void hide(__m256i& x) {
  asm volatile("" : "+x"(x));
}
inline void hide(__m256& x) {
  asm volatile("" : "+x"(x));
}

std::uint64_t read_256(const std::byte* data, std::size_t bytes) noexcept {
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (std::size_t at = 0; at < bytes; at += 256)
    for (int i = 0; i < 8; ++i)
      sums[i] = _mm256_xor_si256(
          sums[i],
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + at + 32 * static_cast<std::size_t>(i))));
  for (int i = 1; i < 8; ++i) sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  hide(sums[0]);
  return static_cast<std::uint64_t>(_mm256_extract_epi64(sums[0], 0));
}

double float_256(std::uint64_t rounds) noexcept {
  __m256 sums[12];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  __m256 a = _mm256_set1_ps(1e-3f), b = _mm256_set1_ps(0.5f);
  hide(a);
  hide(b);
  for (std::uint64_t i = 0; i < rounds; ++i)
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(a, b, sum);
  for (__m256& sum : sums) hide(sum);
  return static_cast<double>(rounds) * 12 * 8;
}

}  // namespace
}  // namespace qwen::bench
