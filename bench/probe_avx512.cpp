#include <immintrin.h>

#include "probe_loops.h"

namespace qwen::bench {
namespace {

// Keeps a register's content from being known to the compiler.
inline void hide(__m512i& x) {
  asm volatile("" : "+v"(x));
}
inline void hide(__m512& x) {
  asm volatile("" : "+v"(x));
}

std::uint64_t read_512(const std::byte* data, std::size_t bytes) noexcept {
  __m512i sums[8];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (std::size_t at = 0; at < bytes; at += 512)
    for (int i = 0; i < 8; ++i)
      sums[i] = _mm512_xor_si512(sums[i], _mm512_loadu_si512(data + at + 64 * static_cast<std::size_t>(i)));
  for (int i = 1; i < 8; ++i) sums[0] = _mm512_xor_si512(sums[0], sums[i]);
  hide(sums[0]);
  return static_cast<std::uint64_t>(sums[0][0]);
}

double int8_dpbusd(std::uint64_t rounds) noexcept {
  __m512i sums[16];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(1);
  hide(a);
  hide(b);
  for (std::uint64_t i = 0; i < rounds; ++i)
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, b);
  for (__m512i& sum : sums) hide(sum);
  return static_cast<double>(rounds) * 16 * 64;
}

double float_512(std::uint64_t rounds) noexcept {
  __m512 sums[16];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512 a = _mm512_set1_ps(1e-3f), b = _mm512_set1_ps(0.5f);
  hide(a);
  hide(b);
  for (std::uint64_t i = 0; i < rounds; ++i)
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(a, b, sum);
  for (__m512& sum : sums) hide(sum);
  return static_cast<double>(rounds) * 16 * 16;
}

}  // namespace

const ProbeLoops kProbeAvx512 = {read_512, int8_dpbusd, float_512};

}  // namespace qwen::bench
