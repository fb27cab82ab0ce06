// Rows of weights for the tests of quant/: see tests/data/quant/README.md.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/tensor_type.h"

namespace qwen::quant {

inline constexpr TensorType kQuantizedTypes[] = {TensorType::q8_0, TensorType::q4_0,   TensorType::q4_1,
                                                 TensorType::q5_0, TensorType::q5_1,   TensorType::q2_k,
                                                 TensorType::q3_k, TensorType::q4_k,   TensorType::q5_k,
                                                 TensorType::q6_k, TensorType::iq4_nl, TensorType::iq4_xs};

// The rows in `type` as llama.cpp wrote them.
inline std::vector<std::byte> reference_blocks(TensorType type) {
  std::string name = name_of(type);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string path = std::string(QWEN_TEST_DATA) + "/quant/" + name + ".bin";
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// The same rows in float.
inline std::vector<float> source_rows() {
  const std::vector<std::byte> bytes = reference_blocks(TensorType::f32);
  std::vector<float> rows(bytes.size() / 4);
  std::memcpy(rows.data(), bytes.data(), bytes.size());
  return rows;
}

inline double relative_rms(std::span<const float> expected, std::span<const float> found) {
  double error = 0, total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = static_cast<double>(expected[i]) - static_cast<double>(found[i]);
    error += e * e;
    total += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  return std::sqrt(error / total);
}

inline std::vector<float> normal_row(std::size_t n, unsigned seed, float deviation = 0.02f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> row(n);
  for (float& x : row) x = normal(random);
  return row;
}

inline std::vector<float> heavy_row(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::student_t_distribution<float> heavy(3);
  std::vector<float> row(n);
  for (float& x : row) x = 0.02f * heavy(random);
  return row;
}

}  // namespace qwen::quant
