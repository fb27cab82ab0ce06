#include <catch2/catch.hpp>

#include "process.h"
#include "statistics.h"

using namespace qwen::bench;

TEST_CASE("percentiles", "[bench]") {
  const std::vector<double> samples = {5, 1, 4, 2, 3};
  CHECK(median(samples) == 3);
  CHECK(percentile(samples, 0) == 1);
  CHECK(percentile(samples, 100) == 5);
  CHECK(percentile(samples, 90) == Approx(4.6));
  CHECK(percentile({}, 50) == 0);
  const Summary summary = summarize(samples);
  CHECK(summary.low == 1);
  CHECK(summary.high == 5);
  CHECK(summary.spread() == Approx(4.0 / 3));
}

TEST_CASE("a difference counts only where the repeats do not overlap", "[bench]") {
  const Summary base{100, 97, 103, 5};
  CHECK(compare(base, base) == Verdict::same);
  CHECK(compare(base, {104, 102, 106, 5}) == Verdict::same);  // ranges touch
  CHECK(compare(base, {110, 107, 112, 5}) == Verdict::higher);
  CHECK(compare({110, 107, 112, 5}, base) == Verdict::lower);
  CHECK(compare({100, 100, 100, 1}, {101, 101, 101, 1}) == Verdict::same);  // below two percent
  CHECK(compare({100, 100, 100, 1}, {103, 103, 103, 1}) == Verdict::higher);
}

TEST_CASE("noise is told from quiet", "[bench]") {
  const Activity before{10, 100, 1, 50, 3};
  CHECK(noise_between(before, {20, 119.5, 1.1, 69, 3}).empty());
  CHECK(noise_between(before, {20, 129, 1, 69, 3}).find("other programs") == 0);  // one core busy beside us
  CHECK(noise_between(before, {20, 119, 3, 69, 3}).find("other guests") == 0);
  CHECK(noise_between(before, {20, 119, 1, 69, 5}).find("quota") != std::string::npos);
}
