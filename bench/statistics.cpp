#include "statistics.h"

#include <algorithm>
#include <cmath>

namespace qwen::bench {

double percentile(std::span<const double> samples, double p) {
  if (samples.empty()) return 0;
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const double rank = std::clamp(p, 0.0, 100.0) / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Summary summarize(std::span<const double> samples) {
  if (samples.empty()) return {};
  const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
  return {median(samples), *low, *high, static_cast<int>(samples.size())};
}

Verdict compare(const Summary& a, const Summary& b, double least) {
  if (a.median <= 0 || b.median <= 0) return Verdict::same;
  if (std::abs(b.median / a.median - 1) < least) return Verdict::same;
  if (b.low > a.high) return Verdict::higher;
  if (b.high < a.low) return Verdict::lower;
  return Verdict::same;
}

}  // namespace qwen::bench
