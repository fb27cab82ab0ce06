#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "qwen/classifier.h"
#include "qwen/error.h"

using namespace qwen;

namespace {

// Texts whose labels are drawn from softmax(score / temperature + offset).
struct Drawn {
  std::vector<Classification> results;
  std::vector<int> labels;
};

Drawn draw(int count, const Calibration& truth, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 4);
  Drawn out;
  for (int i = 0; i < count; ++i) {
    Classification result;
    for (std::size_t k = 0; k < 3; ++k) result.scores.push_back(normal(random) - 200);
    const std::vector<double> p = apply_calibration(result.scores, truth);
    out.labels.push_back(std::discrete_distribution<int>(p.begin(), p.end())(random));
    out.results.push_back(std::move(result));
  }
  return out;
}

}  // namespace

TEST_CASE("calibration finds the temperature that labels were drawn with", "[tasks]") {
  Calibration truth;
  truth.temperature = 2.5;
  const Drawn drawn = draw(4000, truth, 1);
  const Calibration found = fit_calibration(drawn.results, drawn.labels, false);
  CHECK(found.temperature == Approx(2.5).epsilon(0.08));
  CHECK(found.offsets.empty());
  CHECK(found.examples == 4000);
}

TEST_CASE("calibration finds offsets", "[tasks]") {
  Calibration truth;
  truth.temperature = 0.7;
  truth.offsets = {1.5, 0, -1};
  const Drawn drawn = draw(6000, truth, 2);
  const Calibration found = fit_calibration(drawn.results, drawn.labels, true);
  CHECK(found.temperature == Approx(0.7).epsilon(0.1));
  REQUIRE(found.offsets.size() == 3);
  CHECK(found.offsets[0] - found.offsets[1] == Approx(1.5).margin(0.3));
  CHECK(found.offsets[1] - found.offsets[2] == Approx(1).margin(0.3));
}

TEST_CASE("calibration stays finite on labels that scores predict always or never", "[tasks]") {
  std::vector<Classification> results(50);
  std::vector<int> right(50), wrong(50);
  for (std::size_t i = 0; i < 50; ++i) {
    results[i].scores = {i % 2 ? 30.0 : -30.0, 0.0};
    right[i] = i % 2 ? 0 : 1;
    wrong[i] = 1 - right[i];
  }
  const double sharp = fit_calibration(results, right, true).temperature;
  const double flat = fit_calibration(results, wrong, true).temperature;
  CHECK(sharp > 0);
  CHECK(sharp <= 1.001);
  CHECK(flat == Approx(100));  // the flattest there is
  CHECK(std::isfinite(sharp));
}

TEST_CASE("calibration refuses what it cannot be fitted on", "[tasks]") {
  Classification good;
  good.scores = {0, 1};
  const std::vector<Classification> one{good}, two{good, good}, unscored{good, {}};
  const std::vector<int> label{0}, labels{0, 1}, outside{0, 2};
  CHECK_THROWS_AS(fit_calibration(one, label, false), Error);
  CHECK_THROWS_AS(fit_calibration(two, label, false), Error);
  CHECK_THROWS_AS(fit_calibration(two, outside, false), Error);
  CHECK_THROWS_AS(fit_calibration(unscored, labels, false), Error);
  CHECK_NOTHROW(fit_calibration(two, labels, false));
}

TEST_CASE("calibrated probabilities sum to 1, however large the scores", "[tasks]") {
  for (const double scale : {1.0, 1e3, 1e6}) {
    const std::vector<double> scores{-scale, 0, scale};
    const std::vector<double> p = apply_calibration(scores, {});
    CHECK(p[0] + p[1] + p[2] == Approx(1).epsilon(1e-12));
    CHECK(p[2] > p[1]);
  }
}
