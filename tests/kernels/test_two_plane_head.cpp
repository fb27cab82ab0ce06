// Q8_0 in two planes: the products of one plane, and approximations whose error bound holds.
#include <catch2/catch.hpp>

#include "kernels/two_plane_data.h"

namespace qwen::kernels {

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

TEST_CASE("approximate logits are equal on every level and within their bound", "[kernels]") {
  for (const int cols : {32, 96, 224, 896})
    for (const Codes codes :
         {Codes::random, Codes::extreme, Codes::signs, Codes::four_bit_grid, Codes::aligned}) {
      const int rows = 48;
      TwoPlaneHead head(rows, cols, 2, codes);
      std::vector<float> first(static_cast<std::size_t>(rows));
      for (const Kernels* kernels : available_kernels()) {
        const FilledActivations input(*kernels, 1, cols);
        const float norm = activation_norm(input.view);
        std::vector<std::byte> scratch(matmul_scratch_bytes(head.two_plane));
        std::vector<std::int32_t> sums(static_cast<std::size_t>(cols) / kBlock * kPanelRows);
        std::vector<float> exact(static_cast<std::size_t>(rows));
        kernels->matmul(head.two_plane, input.view, 0, rows, exact.data(), static_cast<std::size_t>(rows),
                        scratch.data());
        for (int row = 0; row < rows; row += kPanelRows)
          for (const unsigned lanes : {0x0001u, 0x8000u, 0x0420u, 0xffffu}) {
            float approx[kPanelRows], completed[kPanelRows];
            kernels->approx_logits(head.two_plane, input.view, row, approx, sums.data());
            kernels->complete_logits(head.two_plane, input.view, row, lanes, sums.data(), completed);
            for (int i = 0; i < kPanelRows; ++i) {
              const auto r = static_cast<std::size_t>(row + i);
              INFO(to_string(kernels->isa)
                   << ", " << cols << " columns, codes " << static_cast<int>(codes) << ", row " << r);
              if (kernels == available_kernels().front()) first[r] = approx[i];
              REQUIRE(bits_of(approx[i]) == bits_of(first[r]));
              REQUIRE(std::abs(approx[i] - exact[r]) <= head.two_plane.low_norm[r] * norm);
              if ((lanes >> i & 1) != 0) REQUIRE(bits_of(completed[i]) == bits_of(exact[r]));
            }
          }
      }
    }
}

}  // namespace qwen::kernels
