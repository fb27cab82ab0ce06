// Panels hold exactly what the file holds.
#include <catch2/catch.hpp>

#include "kernels/kernel_data.h"

using namespace qwen;
using namespace qwen::kernels;

namespace {

// Both in panels and in rows, load_row must give what dequantize gives.
void check_rows(const PanelMatrix& packed, TensorType source_type, std::span<const std::byte> file) {
  const Matrix& m = packed.matrix;
  const Matrix in_rows{source_type, false, m.rows, m.cols, file.data(), row_bytes(source_type, m.cols)};
  std::vector<float> expected(static_cast<std::size_t>(m.cols));
  for (int row = 0; row < m.rows; ++row) {
    quant::dequantize(source_type, file.data() + static_cast<std::size_t>(row) * in_rows.stride, expected);
    for (const Matrix& matrix : {m, in_rows}) {
      GuardedBuffer<float> found(expected.size());
      load_row(matrix, row, found.data());
      INFO(name_of(m.type) << " " << m.rows << "x" << m.cols << (matrix.panels ? " panels" : " rows")
                           << ", row " << row);
      for (std::size_t i = 0; i < expected.size(); ++i)
        if (bits_of(expected[i]) != bits_of(found[i]) && !(expected[i] == 0 && found[i] == 0))
          FAIL("column " << i << ": expected " << expected[i] << ", found " << found[i]);
      REQUIRE(found.intact());
    }
  }
}

}  // namespace

TEST_CASE("pack and load_row give back every quantized weight", "[kernels]") {
  const TensorType type = GENERATE(from_range(std::begin(kQuantized), std::end(kQuantized)));
  const bool super = info_of(type).block_weights == 256;
  for (const int cols : super ? std::vector{256, 512, 768} : std::vector{32, 64, 96, 224, 608})
    for (const int rows : {1, 15, 16, 17, 33})
      for (const Fill fill : {Fill::ordinary, Fill::mixed}) {
        const auto file = random_rows(type, rows, cols, fill, static_cast<unsigned>(cols + rows));
        check_rows(PanelMatrix(type, file, rows, cols), type, file);
      }
}

TEST_CASE("pack and load_row give back every float weight", "[kernels]") {
  const TensorType type = GENERATE(from_range(std::begin(kFloats), std::end(kFloats)));
  for (const int cols : {1, 5, 16, 96, 225})
    for (const int rows : {1, 15, 16, 17, 33}) {
      const auto file = random_float_rows(type, rows, cols, static_cast<unsigned>(cols + rows));
      check_rows(PanelMatrix(type, file, rows, cols), type, file);
    }
}

TEST_CASE("f32 that is bf16 is packed as bf16", "[kernels]") {
  constexpr int kRows = 21, kCols = 1030;
  auto file = random_float_rows(TensorType::f32, kRows, kCols, 3);
  CHECK_FALSE(f32_is_bf16(file));
  for (std::size_t i = 0; i < file.size(); i += 4) file[i] = file[i + 1] = std::byte{0};
  REQUIRE(f32_is_bf16(file));
  check_rows(PanelMatrix(TensorType::bf16, file, kRows, kCols, 0, TensorType::f32), TensorType::f32, file);
  // A single low bit, anywhere, is seen.
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{1}, std::size_t{4096}, file.size() - 4, file.size() - 3}) {
    const std::byte before = file[at];
    file[at] = std::byte{0x80};
    CHECK_FALSE(f32_is_bf16(file));
    file[at] = before;
  }
  CHECK(f32_is_bf16({}));
}

TEST_CASE("panels packed in parts are the same, and rows beyond the last are zero", "[kernels]") {
  std::vector<TensorType> types(std::begin(kQuantized), std::end(kQuantized));
  types.insert(types.end(), std::begin(kFloats), std::end(kFloats));
  constexpr int kRows = 70, kCols = 768;
  for (const TensorType type : types) {
    const bool is_float = info_of(type).block_weights == 1;
    const auto file =
        is_float ? random_float_rows(type, kRows, kCols, 8) : random_rows(type, kRows, kCols, Fill::ones, 8);
    const PanelMatrix whole(type, file, kRows, kCols);
    GuardedBuffer<std::byte> parts(whole.panels.size());
    const std::size_t panel_rows_bytes = file.size() / kRows * kPanelRows;
    for (const auto& [begin, end] : {std::pair{3, 5}, {0, 1}, {1, 3}}) {
      const auto at = static_cast<std::size_t>(begin);
      pack_panels(type, type, file.data() + at * panel_rows_bytes, std::min(kRows, end * 16) - begin * 16,
                  kCols, parts.data() + at * panel_bytes(type, kCols));
    }
    INFO(name_of(type));
    REQUIRE(std::memcmp(whole.panels.data(), parts.data(), parts.size()) == 0);
    REQUIRE(whole.panels.intact());
    Matrix taller = whole.matrix;
    taller.rows = 80;
    std::vector<float> row(kCols);
    for (int r = kRows; r < 80; ++r) {
      load_row(taller, r, row.data());
      REQUIRE(std::all_of(row.begin(), row.end(), [](float x) { return x == 0.0f; }));
    }
  }
}

TEST_CASE("panels are little larger than the file's blocks", "[kernels]") {
  // Bytes for 16 rows of 4,864 columns: 152 blocks of 32, 19 of 256.
  CHECK(panel_bytes(TensorType::q8_0, 4864) == 76u * (64 + 1024));
  CHECK(panel_bytes(TensorType::q4_0, 4864) == 76u * (64 + 512));
  CHECK(panel_bytes(TensorType::q4_1, 4864) == 76u * (128 + 512));
  CHECK(panel_bytes(TensorType::q5_0, 4864) == 76u * (64 + 640));
  CHECK(panel_bytes(TensorType::iq4_nl, 4864) == 76u * (64 + 512));
  for (const TensorType type : kQuantized) {
    INFO(name_of(type));
    const std::size_t bytes = panel_bytes(type, 4864);
    CHECK(bytes % 64 == 0);
    CHECK(static_cast<double>(bytes) <= 1.06 * 16.0 * static_cast<double>(row_bytes(type, 4864)));
  }
}
