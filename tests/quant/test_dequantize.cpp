// The meaning of every block, bit by bit.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "base/half.h"
#include "quant/blocks.h"
#include "quant/quant.h"
#include "quant/test_data.h"
#include "support/half_offsets.h"

using namespace qwen;
using namespace qwen::quant;
using test::half_offsets;

namespace {

using Bytes = std::vector<std::uint8_t>;

float half_at(const Bytes& b, std::size_t at) {
  return f16_to_f32(static_cast<std::uint16_t>(b[at] | b[at + 1] << 8));
}
// `count` bits of the byte at `at`, from bit `shift` up.
int bits(const Bytes& b, int at, int shift, int count) {
  return (b[static_cast<std::size_t>(at)] >> shift) & ((1 << count) - 1);
}

// One weight of one block, straight from the layout's byte offsets: slow, and written apart from the code
// under test.
float weight_at(TensorType type, const Bytes& b, int i) {
  const int half = i / 16, j = i % 16;  // of the 32-weight blocks
  const int line = i / 32, k = i % 32;  // of the 256-weight blocks
  const int quarter = 2 * (line % 4), deep = line / 4 * 32 + k;
  switch (type) {
    case TensorType::q8_0: return half_at(b, 0) * static_cast<float>(static_cast<std::int8_t>(b[2 + i]));
    case TensorType::q4_0: return half_at(b, 0) * static_cast<float>(bits(b, 2 + j, 4 * half, 4) - 8);
    case TensorType::q4_1:
      return half_at(b, 0) * static_cast<float>(bits(b, 4 + j, 4 * half, 4)) + half_at(b, 2);
    case TensorType::q5_0:
      return half_at(b, 0) *
             static_cast<float>(bits(b, 6 + j, 4 * half, 4) + 16 * bits(b, 2 + i / 8, i % 8, 1) - 16);
    case TensorType::q5_1:
      return half_at(b, 0) *
                 static_cast<float>(bits(b, 8 + j, 4 * half, 4) + 16 * bits(b, 4 + i / 8, i % 8, 1)) +
             half_at(b, 2);
    case TensorType::iq4_nl: return half_at(b, 0) * kIq4Values[bits(b, 2 + j, 4 * half, 4)];
    case TensorType::q2_k: {
      const float s = half_at(b, 80) * static_cast<float>(bits(b, i / 16, 0, 4));
      const float t = half_at(b, 82) * static_cast<float>(bits(b, i / 16, 4, 4));
      return s * static_cast<float>(bits(b, 16 + deep, quarter, 2)) - t;
    }
    case TensorType::q3_k: {
      const int g = i / 16;
      const int s = bits(b, 96 + g % 8, g < 8 ? 0 : 4, 4) + 16 * bits(b, 104 + g % 4, 2 * (g / 4), 2) - 32;
      const int q = bits(b, 32 + deep, quarter, 2) + 4 * bits(b, k, line, 1) - 4;
      return half_at(b, 108) * static_cast<float>(s) * static_cast<float>(q);
    }
    case TensorType::q4_k:
    case TensorType::q5_k: {
      const int s = line < 4 ? bits(b, 4 + line, 0, 6) : bits(b, 8 + line, 0, 4) + 16 * bits(b, line, 6, 2);
      const int t =
          line < 4 ? bits(b, 8 + line, 0, 6) : bits(b, 8 + line, 4, 4) + 16 * bits(b, 4 + line, 6, 2);
      const bool five = type == TensorType::q5_k;
      int q = bits(b, (five ? 48 : 16) + line / 2 * 32 + k, 4 * (line % 2), 4);
      if (five) q += 16 * bits(b, 16 + k, line, 1);
      return half_at(b, 0) * static_cast<float>(s) * static_cast<float>(q) -
             half_at(b, 2) * static_cast<float>(t);
    }
    case TensorType::q6_k: {
      const int s = static_cast<std::int8_t>(b[static_cast<std::size_t>(192 + i / 16)]);
      const int low = bits(b, i / 128 * 64 + i % 64, i % 128 / 64 * 4, 4);
      const int q = low + 16 * bits(b, 128 + deep, quarter, 2) - 32;
      return half_at(b, 208) * static_cast<float>(s) * static_cast<float>(q);
    }
    case TensorType::iq4_xs: {
      const int s = bits(b, 4 + line / 2, 4 * (line % 2), 4) + 16 * bits(b, 2 + line / 4, quarter, 2) - 32;
      return half_at(b, 0) * static_cast<float>(s) *
             kIq4Values[bits(b, 8 + 16 * line + k % 16, k / 16 * 4, 4)];
    }
    default: return NAN;
  }
}

void put_half(Bytes& block, std::size_t at, std::uint16_t half) {
  block[at] = static_cast<std::uint8_t>(half & 255);
  block[at + 1] = static_cast<std::uint8_t>(half >> 8);
}

void check_block(TensorType type, const Bytes& block) {
  const int n = info_of(type).block_weights;
  // One byte off alignment: blocks may lie anywhere.
  std::vector<std::byte> shifted(block.size() + 1);
  std::memcpy(shifted.data() + 1, block.data(), block.size());
  std::vector<float> out(static_cast<std::size_t>(n));
  dequantize(type, shifted.data() + 1, out);
  for (int i = 0; i < n; ++i) {
    INFO(name_of(type) << " weight " << i);
    REQUIRE(out[static_cast<std::size_t>(i)] == weight_at(type, block, i));
  }
}

}  // namespace

TEST_CASE("every bit of every block means what the layout says", "[quant]") {
  std::mt19937 random(7);
  for (const TensorType type : kQuantizedTypes) {
    const std::size_t bytes = info_of(type).block_bytes;
    for (int round = 0; round < 50; ++round) {
      Bytes block(bytes);
      for (std::uint8_t& b : block) b = static_cast<std::uint8_t>(random());
      for (const std::size_t at : half_offsets(type))
        put_half(block, at, static_cast<std::uint16_t>(random() & 0xbbff));
      check_block(type, block);
    }
    // One bit at a time over a block of zeros with scales of 1: each bit must reach its weights and no
    // others.
    for (std::size_t bit = 0; bit < 8 * bytes; ++bit) {
      Bytes block(bytes, 0);
      block[bit / 8] = static_cast<std::uint8_t>(1u << (bit % 8));
      for (const std::size_t at : half_offsets(type))
        if (bit / 16 != at / 2) put_half(block, at, 0x3c00);
      check_block(type, block);
    }
  }
}

TEST_CASE("scales of zero, subnormal, negative and largest", "[quant]") {
  std::mt19937 random(8);
  for (const TensorType type : kQuantizedTypes)
    for (const int half : {0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0xbc00, 0x7bff}) {
      Bytes block(info_of(type).block_bytes);
      for (std::uint8_t& b : block) b = static_cast<std::uint8_t>(random());
      for (const std::size_t at : half_offsets(type)) put_half(block, at, static_cast<std::uint16_t>(half));
      check_block(type, block);
    }
}

TEST_CASE("known values", "[quant]") {
  std::vector<float> out(32);
  BlockQ8_0 q8{0x3800, {}};  // d = 0.5
  q8.qs[0] = -128;
  q8.qs[31] = 127;
  dequantize(TensorType::q8_0, reinterpret_cast<const std::byte*>(&q8), out);
  CHECK(out[0] == -64.0f);
  CHECK(out[1] == 0.0f);
  CHECK(out[31] == 63.5f);

  BlockQ4_0 q4{0x0001, {}};  // d = 2^-24, the smallest half
  q4.qs[3] = 0xf2;
  dequantize(TensorType::q4_0, reinterpret_cast<const std::byte*>(&q4), out);
  CHECK(out[3] == -6 * 0x1p-24f);
  CHECK(out[19] == 7 * 0x1p-24f);
  CHECK(out[0] == -8 * 0x1p-24f);

  BlockIQ4_NL nl{0x3c00, {}};
  nl.qs[0] = 0xf8;
  dequantize(TensorType::iq4_nl, reinterpret_cast<const std::byte*>(&nl), out);
  CHECK(out[0] == 1.0f);
  CHECK(out[16] == 113.0f);
  CHECK(out[1] == -127.0f);

  const std::uint16_t f16[2] = {0x3c01, 0xfc00};
  dequantize(TensorType::f16, reinterpret_cast<const std::byte*>(f16), std::span(out).first(2));
  CHECK(out[0] == 1.0009765625f);
  CHECK(out[1] == -INFINITY);
  const std::uint16_t bf16[2] = {0x3f80, 0xc049};
  dequantize(TensorType::bf16, reinterpret_cast<const std::byte*>(bf16), std::span(out).first(2));
  CHECK(out[0] == 1.0f);
  CHECK(out[1] == -3.140625f);
}

TEST_CASE("blocks that llama.cpp wrote are close to the weights they stand for", "[quant]") {
  const std::vector<float> source = source_rows();
  // Relative RMS error of each type on these rows, rounded up a little: a swapped nibble costs far more.
  const std::pair<TensorType, double> limits[] = {
      {TensorType::f16, 3e-4},   {TensorType::bf16, 2e-3},  {TensorType::q8_0, 0.007},
      {TensorType::q4_0, 0.13},  {TensorType::q4_1, 0.09},  {TensorType::q5_0, 0.065},
      {TensorType::q5_1, 0.045}, {TensorType::q2_k, 0.34},  {TensorType::q3_k, 0.18},
      {TensorType::q4_k, 0.085}, {TensorType::q5_k, 0.044}, {TensorType::q6_k, 0.022},
      {TensorType::iq4_nl, 0.1}, {TensorType::iq4_xs, 0.1}};
  for (const auto& [type, limit] : limits) {
    INFO(name_of(type));
    const std::vector<std::byte> blocks = reference_blocks(type);
    REQUIRE(blocks.size() == row_bytes(type, source.size()));
    std::vector<float> out(source.size());
    dequantize(type, blocks.data(), out);
    const double error = relative_rms(source, out);
    CHECK(error < limit);
    CHECK(error > limit / 2);
  }
}
