// Every table's matrix kernels against the scalar definition, bit for bit, and the definition against
// float64.
#include <catch2/catch.hpp>

#include "kernels/kernel_data.h"
#include "kernels/panel_read.h"

using namespace qwen;
using namespace qwen::kernels;

namespace {

constexpr int kTokenCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 17, 40};
constexpr int kMaxTokens = 40;

bool is_super(TensorType type) {
  return info_of(type).block_weights == 256;
}

// Inputs of 1..40 tokens that share their tokens' activations.
std::unique_ptr<TestInput> make_input(int tokens, int cols, std::size_t slack = 0) {
  auto input = std::make_unique<TestInput>(tokens, cols, slack);
  for (int t = 0; t < tokens; ++t)
    input->set(t, random_activations(cols, static_cast<unsigned>(1000 * cols + t)).data());
  return input;
}

// Every table over all numbers of rows and tokens. The expected values are computed once, for the most of
// both: neither may matter. `make` packs the first `rows` rows.
template <class Make>
void check_all_shapes(int cols, std::initializer_list<int> row_counts, const Make& make) {
  const int most = *std::max_element(row_counts.begin(), row_counts.end());
  const auto whole = make(most, 0);
  const auto all_tokens = make_input(kMaxTokens, cols);
  const std::vector<float> expected = scalar_matmul(whole->matrix, all_tokens->view);
  for (const int tokens : kTokenCounts) {
    const std::size_t slack = tokens % 2 == 0 ? 4 : 0;
    const auto input = make_input(tokens, cols, slack);
    for (const int rows : row_counts) {
      const auto packed = make(rows, slack);
      for (const Kernels* table : available_kernels()) {
        if (table->isa == Isa::scalar && tokens > 7) continue;  // slow, and what it should say is known
        const std::string wrong = check_matmul(*table, packed->matrix, input->view, 0, rows, expected,
                                               static_cast<std::size_t>(most), slack);
        if (!wrong.empty()) FAIL(wrong);
      }
    }
  }
  SUCCEED();
}

}  // namespace

TEST_CASE("quantized matmul is bit-equal to the scalar definition for all shapes", "[kernels]") {
  const TensorType type = GENERATE(from_range(std::begin(kQuantized), std::end(kQuantized)));
  const std::vector<int> plain = {32, 64, 96, 224, 256, 608, 896}, super = {256, 512, 768, 2304};
  for (const int cols : is_super(type) ? super : plain) {
    const auto rows = random_rows(type, 49, cols, Fill::ordinary, static_cast<unsigned>(cols));
    check_all_shapes(cols, {1, 15, 16, 17, 33, 49}, [&](int n, std::size_t slack) {
      return std::make_unique<PanelMatrix>(type, rows, n, cols, slack / 2);
    });
  }
}

TEST_CASE("float matmul is bit-equal to the scalar definition for all shapes", "[kernels]") {
  const TensorType type = GENERATE(from_range(std::begin(kFloats), std::end(kFloats)));
  for (const int cols : {1, 7, 32, 96, 200, 224, 608, 896}) {
    const auto rows = random_float_rows(type, 49, cols, static_cast<unsigned>(cols));
    check_all_shapes(cols, {1, 15, 16, 17, 33, 49}, [&](int n, std::size_t slack) {
      return std::make_unique<PanelMatrix>(type, rows, n, cols, slack);
    });
  }
}

TEST_CASE("long rows and tall matrices", "[kernels]") {
  const bool tall = GENERATE(false, true);
  const int rows = tall ? 1027 : 19, cols = tall ? 256 : 4864;
  std::vector<TensorType> types(std::begin(kQuantized), std::end(kQuantized));
  types.insert(types.end(), std::begin(kFloats), std::end(kFloats));
  for (const TensorType type : types) {
    const bool is_float = info_of(type).block_weights == 1;
    const auto file =
        is_float ? random_float_rows(type, rows, cols, 5) : random_rows(type, rows, cols, Fill::mixed, 5);
    const PanelMatrix packed(type, file, rows, cols);
    for (const int tokens : {1, 2, 7}) {
      const auto input = make_input(tokens, cols);
      const std::vector<float> expected = scalar_matmul(packed.matrix, input->view);
      for (const Kernels* table : vector_kernels()) {
        const std::string wrong = check_matmul(*table, packed.matrix, input->view, 0, rows, expected,
                                               static_cast<std::size_t>(rows), 0);
        if (!wrong.empty()) FAIL(wrong);
      }
    }
  }
  SUCCEED();
}

TEST_CASE("extreme blocks: full codes, zero, subnormal and huge scales", "[kernels]") {
  const TensorType type = GENERATE(from_range(std::begin(kQuantized), std::end(kQuantized)));
  const int cols = is_super(type) ? 768 : 352, rows = 37;
  for (const Fill fill : kAllFills) {
    const auto file = random_rows(type, rows, cols, fill, 77);
    const PanelMatrix packed(type, file, rows, cols);
    for (const int tokens : {1, 6, 8}) {
      TestInput input(tokens, cols);
      for (int t = 0; t < tokens; ++t) {
        // Tokens 0..2: all activations at 127, all at -127, alternating; the others mixed.
        std::vector<float> x(static_cast<std::size_t>(cols));
        for (std::size_t i = 0; i < x.size(); ++i)
          x[i] = t == 0 ? 1.0f : t == 1 ? -1.0f : i % 2 == 0 ? 1.0f : -1.0f;
        if (t > 2) x = random_activations(cols, static_cast<unsigned>(t));
        input.set(t, x.data());
      }
      const std::vector<float> expected = scalar_matmul(packed.matrix, input.view);
      for (const float y : expected) REQUIRE_FALSE(std::isnan(y));
      for (const Kernels* table : vector_kernels()) {
        const std::string wrong = check_matmul(*table, packed.matrix, input.view, 0, rows, expected,
                                               static_cast<std::size_t>(rows), 0);
        if (!wrong.empty()) FAIL("fill " << static_cast<int>(fill) << ": " << wrong);
      }
    }
  }
  SUCCEED();
}

TEST_CASE("row ranges inside a matrix", "[kernels]") {
  std::vector<TensorType> types(std::begin(kQuantized), std::end(kQuantized));
  types.insert(types.end(), std::begin(kFloats), std::end(kFloats));
  constexpr int kRows = 149, kCols = 512;
  for (const TensorType type : types) {
    const bool is_float = info_of(type).block_weights == 1;
    const auto file =
        is_float ? random_float_rows(type, kRows, kCols, 6) : random_rows(type, kRows, kCols, Fill::mixed, 6);
    const PanelMatrix packed(type, file, kRows, kCols);
    const Matrix in_rows{type, false, kRows, kCols, file.data(), row_bytes(type, kCols)};
    for (const int tokens : {1, 3, 6, 14}) {
      const auto input = make_input(tokens, kCols);
      const std::vector<float> panels = scalar_matmul(packed.matrix, input->view);
      const std::vector<float> exact = scalar_matmul(in_rows, input->view);
      for (const Kernels* table : available_kernels()) {
        for (const auto& [begin, end] : {std::pair{0, 1},
                                         {0, 16},
                                         {0, 17},
                                         {16, 48},
                                         {16, 149},
                                         {32, 33},
                                         {48, 112},
                                         {64, 64 + 31},
                                         {96, 144},
                                         {128, 149},
                                         {144, 146},
                                         {144, 149}}) {
          std::string wrong = check_matmul(*table, packed.matrix, input->view, begin, end, panels, kRows, 4);
          if (!wrong.empty()) FAIL(wrong);
        }
        for (const auto& [begin, end] : {std::pair{0, 1}, {3, 4}, {5, 24}, {148, 149}}) {
          const std::string wrong = check_matmul(*table, in_rows, input->view, begin, end, exact, kRows, 4);
          if (!wrong.empty()) FAIL(wrong);
        }
      }
    }
  }
  SUCCEED();
}

TEST_CASE("the scalar definition against float64", "[kernels]") {
  std::vector<TensorType> types(std::begin(kQuantized), std::end(kQuantized));
  types.insert(types.end(), std::begin(kFloats), std::end(kFloats));
  constexpr int kRows = 21, kCols = 768, kTokens = 8;
  constexpr double kUnit = 0x1p-24;  // half a unit in the last place, relative
  for (const TensorType type : types) {
    const bool is_float = info_of(type).block_weights == 1;
    const auto file = is_float ? random_float_rows(type, kRows, kCols, 7)
                               : random_rows(type, kRows, kCols, Fill::ordinary, 7);
    const PanelMatrix packed(type, file, kRows, kCols);
    const Matrix in_rows{type, false, kRows, kCols, file.data(), row_bytes(type, kCols)};
    for (const int tokens : {1, kTokens}) {
      const auto input = make_input(tokens, kCols);
      const std::vector<float> fast = scalar_matmul(packed.matrix, input->view);
      const std::vector<float> exact = scalar_matmul(in_rows, input->view);
      std::vector<float> weights(kCols);
      for (int row = 0; row < kRows; ++row) {
        quant::dequantize(type, file.data() + static_cast<std::size_t>(row) * in_rows.stride, weights);
        const PanelReader reader(
            type, packed.matrix.data + static_cast<std::size_t>(row / 16) * packed.matrix.stride);
        for (int t = 0; t < tokens; ++t) {
          double sum_exact = 0, sum_fast = 0, size_exact = 0, size_fast = 0;
          for (int i = 0; i < kCols; ++i) {
            const double w = weights[static_cast<std::size_t>(i)];
            const double x = input->rows[static_cast<std::size_t>(t) * kCols + static_cast<std::size_t>(i)];
            sum_exact += w * x;
            size_exact += std::fabs(w * x);
            const auto width = static_cast<std::size_t>(input->width);
            const std::size_t tile = static_cast<std::size_t>(t) / width,
                              lane = static_cast<std::size_t>(t) % width;
            const auto at = static_cast<std::size_t>(i);
            const double a =
                is_float ? x
                         : input->q[((tile * kCols + at) / 4 * width + lane) * 4 + at % 4] *
                               static_cast<double>(input->scale[(tile * kCols + at) / 32 * width + lane]);
            sum_fast += w * a;
            // s * (u - offset) and the min n cancel: both count towards the error.
            const double min = is_float ? 0 : std::fabs(reader.group(row % 16, i).min);
            size_fast += (std::fabs(w) + 2 * min) * std::fabs(a);
          }
          const std::size_t at = static_cast<std::size_t>(t) * kRows + static_cast<std::size_t>(row);
          INFO(name_of(type) << " row " << row << ", token " << t << " of " << tokens);
          // One rounding a term, at most as many as there are columns, and three of scales and products.
          CHECK(std::fabs(fast[at] - sum_fast) <= (kCols + 3) * kUnit * size_fast);
          CHECK(std::fabs(exact[at] - sum_exact) <= (kCols / 16 + 6) * kUnit * size_exact);
        }
      }
    }
  }
}
