// Numbers about repeated measurements.
#pragma once
#include <span>
#include <vector>

namespace qwen::bench {

// Linear interpolation between the closest ranks; p in [0, 100]. 0 for no samples.
double percentile(std::span<const double> samples, double p);
inline double median(std::span<const double> samples) {
  return percentile(samples, 50);
}

struct Summary {
  double median = 0;
  double low = 0, high = 0;  // the extremes
  int count = 0;
  // (high - low) / median: how far the repeats disagree.
  double spread() const { return median > 0 ? (high - low) / median : 0; }
};
Summary summarize(std::span<const double> samples);

// Whether B differs from A by more than noise: the ranges of the repeats do not overlap and the medians differ by at least `least`.
// With five repeats each, chance alone does that less than once in a hundred times.
enum class Verdict { same, higher, lower };
Verdict compare(const Summary& a, const Summary& b, double least = 0.02);

}  // namespace qwen::bench
