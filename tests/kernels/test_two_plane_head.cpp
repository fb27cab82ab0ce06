// Q8_0 in two planes: the same products as in one, and the same estimates on every level.
#include <catch2/catch.hpp>

#include "kernels/kernel_data.h"
#include "model/activations.h"
#include "model/workspace.h"

namespace qwen::kernels {
namespace {

struct TwoPlaneHead {
  TwoPlaneHead(int rows, int cols, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> weights(static_cast<std::size_t>(rows * cols));
    for (float& w : weights) w = normal(random);
    const std::size_t row = row_bytes(TensorType::q8_0, static_cast<std::size_t>(cols));
    source.resize(row * static_cast<std::size_t>(rows));
    quant::quantize(TensorType::q8_0, weights, source.data());
    const auto panels = static_cast<std::size_t>(ceil_div(rows, kPanelRows));
    whole = {TensorType::q8_0, true, rows, cols};
    whole.stride = panel_bytes(TensorType::q8_0, cols);
    two_plane = {kQ8TwoPlane, true, rows, cols};
    two_plane.stride = panel_bytes(kQ8TwoPlane, cols);
    two_plane.low_stride = low_panel_bytes(cols);
    whole_data.resize(whole.stride * panels);
    high.resize(two_plane.stride * panels);
    low.resize(two_plane.low_stride * panels);
    pack_panels(TensorType::q8_0, TensorType::q8_0, source.data(), rows, cols, whole_data.data());
    pack_two_plane_panels(source.data(), rows, cols, high.data(), low.data());
    whole.data = whole_data.data();
    two_plane.data = high.data();
    two_plane.low = low.data();
  }
  std::vector<std::byte> source, whole_data, high, low;
  Matrix whole, two_plane;
};

struct FilledActivations {
  FilledActivations(const Kernels& table, int tokens, int cols) {
    buffer.reserve(tokens, cols, kActivationQ8);
    view = buffer.view(tokens, cols);
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::vector<float> row(static_cast<std::size_t>(cols));
    for (int t = 0; t < tokens; ++t) {
      for (float& x : row) x = normal(random);
      model::store_activations(table, view, t, 0, row.data(), cols);
    }
  }
  model::ActivationBuffer buffer;
  Activations view;
};

}  // namespace

TEST_CASE("two planes give the products of one", "[kernels]") {
  for (const int rows : {1, 16, 17, 50})
    for (const int cols : {32, 96, 224, 896}) {
      const TwoPlaneHead head(rows, cols, 1);
      std::vector<float> a(static_cast<std::size_t>(cols)), b(a.size());
      for (int r = 0; r < rows; ++r) {
        load_row(head.whole, r, a.data());
        load_row(head.two_plane, r, b.data());
        REQUIRE(a == b);
      }
      for (const Kernels* table : available_kernels())
        for (const int tokens : {1, 2, 6, 7, 31}) {
          const FilledActivations input(*table, tokens, cols);
          const std::size_t stride = round_up(static_cast<std::size_t>(rows), 16);
          std::vector<float> x(stride * static_cast<std::size_t>(tokens)), y(x.size());
          std::vector<std::byte> scratch(matmul_scratch_bytes(head.whole) + 64);
          auto* aligned = scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64;
          table->matmul(head.whole, input.view, 0, rows, x.data(), stride, aligned);
          table->matmul(head.two_plane, input.view, 0, rows, y.data(), stride, aligned);
          for (int t = 0; t < tokens; ++t)
            for (int r = 0; r < rows; ++r) {
              const auto i = static_cast<std::size_t>(t) * stride + static_cast<std::size_t>(r);
              REQUIRE(bits_of(x[i]) == bits_of(y[i]));
            }
        }
    }
}

TEST_CASE("estimates are equal on every level and within their margins", "[kernels]") {
  for (const int cols : {32, 96, 896}) {
    const int rows = 333;
    const TwoPlaneHead head(rows, cols, 2);
    // Six standard deviations of the lower halves' error, as the head asks for, but for the difference of
    // two.
    std::vector<float> first, first_margin;
    for (const Kernels* table : available_kernels()) {
      const FilledActivations input(*table, 1, cols);
      std::vector<float> energy(static_cast<std::size_t>(cols / kBlock));
      for (std::size_t b = 0; b < energy.size(); ++b) {
        float sum = 0;
        for (std::size_t i = 0; i < kBlock; ++i)
          sum += static_cast<float>(input.view.q[b * kBlock + i] * input.view.q[b * kBlock + i]);
        energy[b] = 36.0f * 255.0f / 12.0f * sum * input.view.scale[b] * input.view.scale[b];
      }
      std::vector<float> estimate(352), margin(352), exact(352);
      table->estimate(head.two_plane, input.view, energy.data(), 0, rows, estimate.data(), margin.data());
      std::vector<std::byte> scratch(matmul_scratch_bytes(head.whole));
      table->matmul(head.two_plane, input.view, 0, rows, exact.data(), 352, scratch.data());
      estimate.resize(rows), margin.resize(rows);
      if (first.empty()) first = estimate, first_margin = margin;
      for (std::size_t r = 0; r < rows; ++r) {
        REQUIRE(bits_of(estimate[r]) == bits_of(first[r]));
        REQUIRE(bits_of(margin[r]) == bits_of(first_margin[r]));
        REQUIRE(std::abs(estimate[r] - exact[r]) < margin[r]);
        REQUIRE(margin[r] > 0);
      }
    }
  }
}

}  // namespace qwen::kernels
