// Norm, residual, SiLU and RoPE: the vector levels among each other bit for bit, all levels against float64.
#include <catch2/catch.hpp>
#include <limits>

#include "kernels/kernel_data.h"

using namespace qwen;
using namespace qwen::kernels;

namespace {

constexpr double kUnit = 0x1p-24;  // half a unit in the last place, relative

std::vector<float> normal_values(int n, unsigned seed, float deviation = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = normal(random);
  return x;
}

// Calls run(table, out) for each table, on a fresh copy of `start` whose end is guarded. The vector levels
// must give the same bits, and each value of each level must be within tolerance(i) of expected(i).
template <class Run, class Expected, class Tolerance>
void check_levels(const std::vector<float>& start, const std::string& what, const Run& run,
                  const Expected& expected, const Tolerance& tolerance) {
  std::vector<float> first;
  for (const Kernels* table : available_kernels())
    for (const std::size_t slack : {0, 4, 12}) {
      GuardedBuffer<float> out(std::span<const float>(start), slack);
      run(*table, out.data());
      INFO(what << ", " << to_string(table->isa) << ", slack " << slack);
      REQUIRE(out.intact());
      for (std::size_t i = 0; i < start.size(); ++i) {
        const double error = std::fabs(out[i] - expected(i));
        if (!(error <= tolerance(i)))
          FAIL("value " << i << ": expected " << expected(i) << " within " << tolerance(i) << ", found "
                        << out[i]);
      }
      if (table->isa == Isa::scalar) continue;
      if (first.empty()) first.assign(out.data(), out.data() + out.size());
      for (std::size_t i = 0; i < first.size(); ++i)
        if (bits_of(first[i]) != bits_of(out[i]))
          FAIL("value " << i << ": other levels gave " << first[i] << ", found " << out[i]);
    }
  SUCCEED();
}

constexpr int kLengths[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 64, 100, 224, 255, 896, 4864};

}  // namespace

TEST_CASE("rms_norm", "[kernels]") {
  for (const int n : kLengths)
    for (const float deviation : {1.0f, 1e-3f, 1e4f}) {
      const auto x = normal_values(n, static_cast<unsigned>(n), deviation);
      const auto weight = normal_values(n, static_cast<unsigned>(n + 1));
      const GuardedBuffer<float> gx(std::span<const float>(x), 0), gw(std::span<const float>(weight), 4);
      const float eps = 1e-6f;
      double squares = 0;
      for (const float v : x) squares += static_cast<double>(v) * v;
      const double scale = 1.0 / std::sqrt(squares / n + static_cast<double>(eps));
      // The sum of squares is off by one rounding a step and its root by half of that; six more roundings
      // follow.
      const double relative = (n / 16 + 6) * 0.5 * kUnit + 6 * kUnit;
      const auto expected = [&](std::size_t i) { return x[i] * scale * weight[i]; };
      check_levels(
          x, cat("rms_norm ", n),
          [&](const Kernels& table, float* out) { table.rms_norm(gx.data(), gw.data(), eps, n, out); },
          expected, [&](std::size_t i) { return relative * std::fabs(expected(i)) + 1e-44; });
      // In place, as the norms of Qwen3's heads use it.
      check_levels(
          x, cat("rms_norm in place ", n),
          [&](const Kernels& table, float* out) { table.rms_norm(out, gw.data(), eps, n, out); }, expected,
          [&](std::size_t i) { return relative * std::fabs(expected(i)) + 1e-44; });
    }
  // All zeros stay zeros: eps keeps the division from failing.
  const std::vector<float> zeros(33, 0.0f), ones(33, 1.0f);
  check_levels(
      zeros, "zeros",
      [&](const Kernels& t, float* out) { t.rms_norm(zeros.data(), ones.data(), 1e-6f, 33, out); },
      [](std::size_t) { return 0.0; }, [](std::size_t) { return 0.0; });
}

TEST_CASE("add", "[kernels]") {
  for (const int n : kLengths) {
    const auto x = normal_values(n, 1), y = normal_values(n, 2, 1e3f);
    const GuardedBuffer<float> gy(std::span<const float>(y), 4);
    check_levels(
        x, cat("add ", n), [&](const Kernels& table, float* out) { table.add(out, gy.data(), n); },
        [&](std::size_t i) { return static_cast<double>(x[i] + y[i]); }, [](std::size_t) { return 0.0; });
  }
}

TEST_CASE("silu_mul", "[kernels]") {
  for (const int n : kLengths) {
    auto gate = normal_values(n, 3, 4.0f);
    const auto up = normal_values(n, 4);
    const float extremes[] = {0.0f, -0.0f, 87.0f,  -87.0f,  88.5f,  -88.5f,
                              1e4f, -1e4f, 1e-30f, -1e-30f, 1e-42f, -20.0f};
    for (std::size_t i = 0; i < std::size(extremes) && i * 3 < gate.size(); ++i) gate[i * 3] = extremes[i];
    const GuardedBuffer<float> gu(std::span<const float>(up), 4);
    const auto expected = [&](std::size_t i) {
      return static_cast<double>(gate[i]) / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i];
    };
    // e^x to three roundings (kernels/lanes.inl), then a sum, a division and a product. Below -87 e^-x stops
    // growing.
    check_levels(
        gate, cat("silu ", n), [&](const Kernels& table, float* out) { table.silu_mul(out, gu.data(), n); },
        expected,
        [&](std::size_t i) { return 7 * kUnit * std::fabs(expected(i)) + 1e-33 * std::fabs(up[i]); });
  }
}

TEST_CASE("rope", "[kernels]") {
  for (const int dim : {2, 16, 30, 32, 34, 48, 64, 80, 96, 128, 256, 512}) {
    const auto x = normal_values(dim, static_cast<unsigned>(dim));
    std::vector<float> angles(static_cast<std::size_t>(dim));
    for (int i = 0; i < dim / 2; ++i) {
      angles[static_cast<std::size_t>(i)] = std::cos(0.37f * static_cast<float>(i));
      angles[static_cast<std::size_t>(dim / 2 + i)] = std::sin(0.37f * static_cast<float>(i));
    }
    const GuardedBuffer<float> ga(std::span<const float>(angles), 4);
    const auto half = static_cast<std::size_t>(dim / 2);
    const auto pair = [&](std::size_t i) {
      return std::pair<double, double>(x[i % half], x[i % half + half]);
    };
    check_levels(
        x, cat("rope ", dim), [&](const Kernels& table, float* out) { table.rope(out, ga.data(), dim); },
        [&](std::size_t i) {
          const auto [a, b] = pair(i);
          const double c = angles[i % half], s = angles[i % half + half];
          return i < half ? a * c - b * s : b * c + a * s;
        },
        [&](std::size_t i) { return 3 * kUnit * (std::fabs(pair(i).first) + std::fabs(pair(i).second)); });
  }
}
