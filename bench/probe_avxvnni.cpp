#include "probe_256.inl"

namespace qwen::bench {
namespace {

double int8_dpbusd(std::uint64_t rounds) noexcept {
  __m256i sums[12];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(1);
  hide(a);
  hide(b);
  for (std::uint64_t i = 0; i < rounds; ++i)
    for (__m256i& sum : sums) sum = _mm256_dpbusd_avx_epi32(sum, a, b);
  for (__m256i& sum : sums) hide(sum);
  return static_cast<double>(rounds) * 12 * 32;
}

}  // namespace

const ProbeLoops kProbeAvxVnni = {read_256, int8_dpbusd, float_256};

}  // namespace qwen::bench
