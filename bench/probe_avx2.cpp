#include "probe_256.inl"

namespace qwen::bench {
namespace {

// Byte products summed in pairs and then into 16-bit sums: what the integer kernels without VNNI are made of.
double int8_maddubs(std::uint64_t rounds) noexcept {
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(1);
  for (std::uint64_t i = 0; i < rounds; ++i)
    for (__m256i& sum : sums) {
      hide(a);  // else the product would be formed once
      sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b));
    }
  for (__m256i& sum : sums) hide(sum);
  return static_cast<double>(rounds) * 8 * 32;
}

}  // namespace

const ProbeLoops kProbeAvx2 = {read_256, int8_maddubs, float_256};

}  // namespace qwen::bench
