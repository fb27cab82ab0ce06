#include <catch2/catch.hpp>
#include <limits>

#include "base/fail.h"
#include "quant/quant.h"
#include "quant/test_data.h"

using namespace qwen;
using namespace qwen::quant;

namespace {

std::vector<std::byte> quantized(TensorType type, std::span<const float> in) {
  std::vector<std::byte> blocks(row_bytes(type, in.size()));
  quantize(type, in, blocks.data());
  return blocks;
}

std::vector<float> round_trip(TensorType type, std::span<const float> in) {
  std::vector<float> out(in.size());
  dequantize(type, quantized(type, in).data(), out);
  return out;
}

std::string message_of(TensorType type, std::span<const float> in) {
  try {
    quantized(type, in);
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::bad_format);
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("our error is at most that of llama.cpp's quantizer", "[quant]") {
  const std::vector<float> source = source_rows();
  for (const TensorType type : kQuantizedTypes) {
    INFO(name_of(type));
    std::vector<float> theirs(source.size());
    dequantize(type, reference_blocks(type).data(), theirs);
    CHECK(relative_rms(source, round_trip(type, source)) <= 1.001 * relative_rms(source, theirs));
  }
  CHECK(quantized(TensorType::f16, source) == reference_blocks(TensorType::f16));
  CHECK(quantized(TensorType::bf16, source) == reference_blocks(TensorType::bf16));
  CHECK(quantized(TensorType::f32, source) == reference_blocks(TensorType::f32));
}

TEST_CASE("normal and heavy-tailed rows keep the error that the type allows", "[quant]") {
  const std::vector<float> normal = normal_row(64 * 256, 1), heavy = heavy_row(64 * 256, 2);
  // Measured, plus 3 %. The errors of plain rounding are 5 to 40 % above these.
  struct Limit {
    TensorType type;
    double normal, heavy;
  };
  const Limit limits[] = {{TensorType::q8_0, 0.0055, 0.009},   {TensorType::q4_0, 0.0835, 0.135},
                          {TensorType::q4_1, 0.0718, 0.096},   {TensorType::q5_0, 0.0413, 0.07},
                          {TensorType::q5_1, 0.0346, 0.047},   {TensorType::q2_k, 0.271, 0.31},
                          {TensorType::q3_k, 0.148, 0.195},    {TensorType::q4_k, 0.0723, 0.097},
                          {TensorType::q5_k, 0.0357, 0.049},   {TensorType::q6_k, 0.0175, 0.027},
                          {TensorType::iq4_nl, 0.0766, 0.106}, {TensorType::iq4_xs, 0.0773, 0.108}};
  for (const Limit& limit : limits) {
    INFO(name_of(limit.type));
    CHECK(relative_rms(normal, round_trip(limit.type, normal)) < limit.normal);
    CHECK(relative_rms(heavy, round_trip(limit.type, heavy)) < limit.heavy);
  }
}

TEST_CASE("a lone weight stays where it is", "[quant]") {
  for (const TensorType type : kQuantizedTypes) {
    const int n = info_of(type).block_weights;
    for (int at = 0; at < n; ++at)
      for (const float value : {1.0f, -1.0f}) {
        std::vector<float> row(static_cast<std::size_t>(n), 0.0f);
        row[static_cast<std::size_t>(at)] = value;
        const std::vector<float> out = round_trip(type, row);
        for (int i = 0; i < n; ++i) {
          INFO(name_of(type) << " weight " << at << " read at " << i);
          // IQ4's grid has no zero: its nearest value is 1 of 127.
          REQUIRE(out[static_cast<std::size_t>(i)] == Approx(row[static_cast<std::size_t>(i)]).margin(0.02));
        }
      }
  }
}

TEST_CASE("zeros, constants and tiny weights", "[quant]") {
  for (const TensorType type : kQuantizedTypes) {
    INFO(name_of(type));
    const std::vector<float> zeros(256, 0.0f), tiny(256, 1e-30f);
    CHECK(round_trip(type, zeros) == zeros);
    CHECK(round_trip(type, tiny) == zeros);
    for (const float value : {0.75f, -0.75f, 1e-3f, 1000.0f}) {
      const std::vector<float> constant(256, value);
      CHECK(relative_rms(constant, round_trip(type, constant)) < 0.01);
    }
    // Around the smallest scales that half precision has.
    const std::vector<float> small = normal_row(256, 3, 1e-6f);
    for (const float x : round_trip(type, small)) REQUIRE(std::fabs(x) < 1e-4f);
  }
}

TEST_CASE("one super-block group far larger than the others", "[quant]") {
  for (const TensorType type : kQuantizedTypes) {
    std::vector<float> row = normal_row(256, 4, 0.01f);
    for (std::size_t i = 64; i < 96; ++i) row[i] *= 1000;
    INFO(name_of(type));
    const std::vector<float> out = round_trip(type, row);
    CHECK(relative_rms(row, out) < 0.4);
    for (const float x : out) REQUIRE(std::isfinite(x));
  }
}

TEST_CASE("weights that cannot be stored are refused", "[quant]") {
  for (const TensorType type : kQuantizedTypes) {
    INFO(name_of(type));
    std::vector<float> row = normal_row(256, 5);
    row[77] = std::numeric_limits<float>::quiet_NaN();
    CHECK(message_of(type, row) == "cannot quantize: weight 77 of 256 is nan");
    row[77] = -std::numeric_limits<float>::infinity();
    CHECK(message_of(type, row) == "cannot quantize: weight 77 of 256 is -inf");
    row[77] = 1e9f;
    CHECK(message_of(type, row) == cat("weight 77 of 256 is 1e+09, too large for ", name_of(type)));
    row[77] = 5e8f;
    CHECK(message_of(type, row).find("does not fit half precision") != std::string::npos);
  }
  std::vector<float> row(4, 1.0f);
  row[2] = 70000;
  CHECK(message_of(TensorType::f16, row) == "weight 2 of 4 is 70000, too large for F16");
  CHECK(round_trip(TensorType::bf16, row)[2] == Approx(70000).epsilon(0.004));
}
