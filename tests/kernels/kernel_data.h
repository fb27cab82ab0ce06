// Matrices, inputs and tables for the tests of kernels/.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/checked.h"
#include "base/cpu.h"
#include "base/half.h"
#include "base/tensor_type.h"
#include "kernels/kernels.h"
#include "kernels/pack.h"
#include "kernels/panel.h"
#include "quant/quant.h"
#include "support/guarded_buffer.h"
#include "support/half_offsets.h"

namespace qwen::kernels {

using test::GuardedBuffer;

inline constexpr TensorType kQuantized[] = {TensorType::q8_0,   TensorType::q4_0, TensorType::q4_1,
                                            TensorType::q5_0,   TensorType::q5_1, TensorType::iq4_nl,
                                            TensorType::iq4_xs, TensorType::q2_k, TensorType::q3_k,
                                            TensorType::q4_k,   TensorType::q5_k, TensorType::q6_k};
inline constexpr TensorType kFloats[] = {TensorType::f32, TensorType::f16, TensorType::bf16};

inline bool built_and_supported(Isa isa) {
  try {
    kernels_for(isa);
    return true;
  } catch (const Error&) {
    return false;
  }
}
// The levels that this build and this CPU have, the scalar one first.
inline std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables;
  for (const Isa isa : kAllIsas)
    if (built_and_supported(isa)) tables.push_back(&kernels_for(isa));
  return tables;
}
inline std::vector<const Kernels*> vector_kernels() {
  auto tables = available_kernels();
  tables.erase(tables.begin());
  return tables;
}

inline std::uint32_t bits_of(float x) {
  return std::bit_cast<std::uint32_t>(x);
}

// How the blocks of a random matrix are made.
enum class Fill {
  ordinary,    // scales of about 0.01, random codes
  ones,        // every bit of the codes and integer scales set, scales of both signs
  zeros,       // every bit of the codes and integer scales clear
  top_bits,    // codes 0x80 / 0x88..., integer scales at their lowest
  subnormal,   // subnormal half-precision scales
  zero_scale,  // scales +0 and -0, random codes
  huge,        // the largest half-precision scales
  mixed,       // each block one of the others
};
inline constexpr Fill kAllFills[] = {Fill::ordinary,  Fill::ones,       Fill::zeros, Fill::top_bits,
                                     Fill::subnormal, Fill::zero_scale, Fill::huge,  Fill::mixed};

inline std::uint16_t random_half(Fill fill, std::mt19937& random) {
  std::uniform_real_distribution<float> small(0.003f, 0.02f);
  const auto sign = static_cast<std::uint16_t>((random() & 1u) << 15);
  switch (fill) {
    case Fill::subnormal: return static_cast<std::uint16_t>(sign | (1 + random() % 0x3ff));
    case Fill::zero_scale: return sign;
    case Fill::huge: return static_cast<std::uint16_t>(sign | 0x7bffu);
    default: return static_cast<std::uint16_t>(sign | f32_to_f16(small(random)));
  }
}

// Rows of a file in a quantized type.
inline std::vector<std::byte> random_rows(TensorType type, int rows, int cols, Fill fill, unsigned seed) {
  std::mt19937 random(seed);
  const TensorTypeInfo& info = info_of(type);
  std::vector<std::byte> out(static_cast<std::size_t>(rows) *
                             row_bytes(type, static_cast<std::size_t>(cols)));
  for (std::size_t at = 0; at < out.size(); at += info.block_bytes) {
    Fill f = fill;
    if (f == Fill::mixed) f = kAllFills[random() % (std::size(kAllFills) - 1)];
    for (std::size_t i = 0; i < info.block_bytes; ++i) {
      unsigned byte = random() & 0xffu;
      if (f == Fill::ones) byte = type == TensorType::q8_0 ? 0x7f : 0xff;
      if (f == Fill::zeros) byte = 0;
      if (f == Fill::top_bits) byte = type == TensorType::q8_0 ? 0x80 : 0x88;
      out[at + i] = static_cast<std::byte>(byte);
    }
    for (const std::size_t offset : test::half_offsets(type)) {
      const std::uint16_t half = random_half(f, random);
      std::memcpy(out.data() + at + offset, &half, sizeof half);
    }
  }
  return out;
}

// Rows of a file in a float type.
inline std::vector<std::byte> random_float_rows(TensorType type, int rows, int cols, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.05f);
  const auto n = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  std::vector<std::byte> out(n * info_of(type).block_bytes);
  for (std::size_t i = 0; i < n; ++i) {
    float x = normal(random);
    switch (random() % 64) {
      case 0: x = 0.0f; break;
      case 1: x = -0.0f; break;
      case 2: x *= 1e-6f; break;   // subnormal as f16
      case 3: x *= 1e-38f; break;  // subnormal as bf16 and f32
      case 4: x *= 1e5f; break;
      default: break;
    }
    if (type == TensorType::f32) {
      std::memcpy(out.data() + 4 * i, &x, 4);
    } else {
      const std::uint16_t half = type == TensorType::f16 ? f32_to_f16(x) : f32_to_bf16(x);
      std::memcpy(out.data() + 2 * i, &half, 2);
    }
  }
  return out;
}

// The first `rows` rows of file rows, in panels whose memory ends at a forbidden page.
struct PanelMatrix {
  PanelMatrix(TensorType type, std::span<const std::byte> file_rows, int rows, int cols,
              std::size_t slack = 0, TensorType source_type = TensorType{0xffff})
      : panels(panel_bytes(type, cols) * static_cast<std::size_t>(ceil_div(rows, kPanelRows)), slack) {
    matrix = {type, true, rows, cols, panels.data(), panel_bytes(type, cols)};
    pack_panels(type, source_type == TensorType{0xffff} ? type : source_type, file_rows.data(), rows, cols,
                panels.data());
  }
  GuardedBuffer<std::byte> panels;
  Matrix matrix;
};

// Activations in every form, each in memory of its own that ends at a forbidden page.
struct TestInput {
  TestInput(int tokens, int cols, std::size_t slack = 0)
      : width(tile_width(tokens)),
        padded(ceil_div(tokens, width) * width),
        rows(count(tokens, cols), slack),
        tiles(count(padded, cols), slack),
        q(cols % kBlock == 0 ? count(padded, cols) : 0, 4 * slack),  // the kernels read q by dwords
        scale(count(padded, cols / kBlock), slack),
        neg_sum(count(padded, cols / 16), slack) {
    view = {tokens, cols, width, rows.data(), tiles.data(), q.data(), scale.data(), neg_sum.data()};
    std::memset(tiles.data(), 0, tiles.size() * sizeof(float));
    std::memset(q.data(), 0, q.size());
    std::memset(scale.data(), 0, scale.size() * sizeof(float));
    std::memset(neg_sum.data(), 0, neg_sum.size() * sizeof(std::int32_t));
  }

  // Sets one token's activations, [cols], in every form; int8 by the scalar definition.
  void set(int token, const float* x) {
    const auto cols = static_cast<std::size_t>(view.cols), w = static_cast<std::size_t>(width);
    const auto t = static_cast<std::size_t>(token);
    std::copy(x, x + cols, rows.data() + t * cols);
    for (std::size_t i = 0; i < cols; ++i) tiles[(t / w * cols + i) * w + t % w] = x[i];
    if (view.cols % kBlock == 0)
      for (int b = 0; b < view.cols / kBlock; ++b)
        kernels_for(Isa::scalar).quantize_block(x + b * kBlock, token, b, view);
  }

  static std::size_t count(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

  int width, padded;
  GuardedBuffer<float> rows, tiles;
  GuardedBuffer<std::int8_t> q;
  GuardedBuffer<float> scale;
  GuardedBuffer<std::int32_t> neg_sum;
  Activations view;
};

// One token's activations; every kind of extreme comes up among the blocks of a few tokens.
inline std::vector<float> random_activations(int cols, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> x(static_cast<std::size_t>(cols));
  for (float& v : x) v = normal(random);
  for (std::size_t block = 0; block * kBlock < x.size(); ++block) {
    float* b = x.data() + block * kBlock;
    const std::size_t n = std::min<std::size_t>(kBlock, x.size() - block * kBlock);
    switch (random() % 12) {
      case 0: std::fill(b, b + n, 0.0f); break;
      case 1: std::fill(b, b + n, 3.0f); break;   // all codes 127
      case 2: std::fill(b, b + n, -3.0f); break;  // all codes -127
      case 3:
        for (std::size_t i = 0; i < n; ++i) b[i] = i % 2 == 0 ? 2.0f : -2.0f;
        break;
      case 4: b[random() % n] = 1000.0f; break;  // one spike: the others become 0 or 1
      case 5:
        for (std::size_t i = 0; i < n; ++i) b[i] *= 1e-40f;  // subnormal
        break;
      case 6:
        for (std::size_t i = 0; i < n; ++i) b[i] *= 1e30f;
        break;
      case 7: b[0] = -0.0f; break;
      default: break;
    }
  }
  return x;
}

// Calls table.matmul for rows [begin, end) and compares each output bit by bit with expected[token *
// expected_stride + row]; checks that nothing is written where it must not be. Returns "" or what is wrong.
inline std::string check_matmul(const Kernels& table, const Matrix& matrix, const Activations& input,
                                int begin, int end, const std::vector<float>& expected,
                                std::size_t expected_stride, std::size_t slack) {
  const auto n = static_cast<std::size_t>(end - begin);
  const std::size_t may_write = matrix.panels ? round_up(n, kPanelRows) : n;
  const std::size_t stride = may_write + 3;
  const std::size_t tokens = static_cast<std::size_t>(input.tokens);
  GuardedBuffer<float> out((tokens - 1) * stride + may_write, slack);
  static GuardedBuffer<std::byte> scratch(std::size_t{1} << 20);
  const std::size_t scratch_bytes = round_up(matmul_scratch_bytes(matrix), 64);
  if (scratch_bytes > scratch.size()) return "the test's scratch memory is too small";
  table.matmul(matrix, input, begin, end, out.data(), stride,
               scratch.data() + scratch.size() - scratch_bytes);
  const auto where = [&](std::size_t token, std::size_t row) {
    return cat(to_string(table.isa), " ", name_of(matrix.type), matrix.panels ? " panels " : " rows ",
               matrix.rows, "x", matrix.cols, ", rows ", begin, "..", end, ", ", input.tokens,
               " tokens: token ", token, ", row ", begin + static_cast<int>(row), ": ");
  };
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t r = 0; r < n; ++r) {
      const float want = expected[t * expected_stride + static_cast<std::size_t>(begin) + r];
      const float got = out[t * stride + r];
      if (bits_of(want) != bits_of(got)) return cat(where(t, r), "expected ", want, ", found ", got);
    }
    for (std::size_t r = may_write; t + 1 < tokens && r < stride; ++r)
      if (!out.untouched(t * stride + r)) return cat(where(t, r), "written beyond the range");
  }
  if (!out.intact()) return cat(where(0, 0), "written before or behind the output");
  if (!scratch.intact()) return cat(where(0, 0), "written beyond the scratch memory");
  return "";
}

// The scalar definition's outputs for all rows and tokens, [tokens][rows].
inline std::vector<float> scalar_matmul(const Matrix& matrix, const Activations& input) {
  std::vector<float> out(static_cast<std::size_t>(input.tokens) * static_cast<std::size_t>(matrix.rows));
  std::vector<std::byte> scratch(matmul_scratch_bytes(matrix));
  kernels_for(Isa::scalar)
      .matmul(matrix, input, 0, matrix.rows, out.data(), static_cast<std::size_t>(matrix.rows),
              scratch.data());
  return out;
}

}  // namespace qwen::kernels
