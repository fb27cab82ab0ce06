// Activations to int8: the definition, and every table against it.
#include <catch2/catch.hpp>

#include "kernels/kernel_data.h"

using namespace qwen;
using namespace qwen::kernels;

namespace {

std::vector<std::vector<float>> interesting_blocks() {
  std::vector<std::vector<float>> blocks;
  for (unsigned seed = 0; seed < 300; ++seed) blocks.push_back(random_activations(kBlock, seed));
  const auto same = [&](float x) { blocks.emplace_back(kBlock, x); };
  for (const float x :
       {0.0f, -0.0f, 1.0f, -1.0f, 3.0e38f, -3.0e38f, 1e-36f, 1.1e-36f, 9e-37f, 1e-40f, 1.4e-45f})
    same(x);
  for (const float spike : {127.0f, -127.0f, 1e30f, 1e-30f})
    for (const int at : {0, 1, 15, 16, 30, 31}) {
      std::vector<float> x(kBlock, 0.0f);
      x[static_cast<std::size_t>(at)] = spike;
      blocks.push_back(x);
    }
  // Ties: with a largest value of 127 every x.5 is exactly between two codes.
  std::vector<float> ties(kBlock);
  for (int i = 0; i < kBlock; ++i) ties[static_cast<std::size_t>(i)] = static_cast<float>(i - 16) + 0.5f;
  ties[31] = 127.0f;
  blocks.push_back(ties);
  for (int i = 0; i < 31; ++i) ties[static_cast<std::size_t>(i)] = -static_cast<float>(96 + i) - 0.5f;
  blocks.push_back(ties);
  return blocks;
}

}  // namespace

TEST_CASE("quantize_block: the definition", "[kernels]") {
  for (const std::vector<float>& x : interesting_blocks()) {
    TestInput input(1, kBlock);
    kernels_for(Isa::scalar).quantize_block(x.data(), 0, 0, input.view);
    float largest = 0;
    for (const float v : x) largest = std::max(largest, std::fabs(v));
    int sums[2] = {0, 0};
    for (int i = 0; i < kBlock; ++i) {
      const int q = input.q[static_cast<std::size_t>(i)];
      REQUIRE(std::abs(q) <= 127);
      sums[i / 16] += q;
      if (largest > 1e-36f) {
        const double error =
            std::fabs(x[static_cast<std::size_t>(i)] - static_cast<double>(q) * input.scale[0]);
        // Half a step, and the rounding of the inverse and of the scale.
        REQUIRE(error <= 0.5001 * static_cast<double>(largest) / 127.0);
      } else {
        REQUIRE(q == 0);
      }
    }
    if (largest <= 1e-36f) REQUIRE(input.scale[0] == 0.0f);
    REQUIRE(input.neg_sum[0] == -sums[0]);
    REQUIRE(input.neg_sum[1] == -sums[1]);
  }
  // Ties go to the even code.
  std::vector<float> x(kBlock, 0.0f);
  x[0] = 127.0f;
  x[1] = 0.5f, x[2] = 1.5f, x[3] = 2.5f, x[4] = -0.5f, x[5] = -1.5f, x[6] = -2.5f;
  TestInput input(1, kBlock);
  kernels_for(Isa::scalar).quantize_block(x.data(), 0, 0, input.view);
  const int expected[] = {127, 0, 2, 2, 0, -2, -2};
  for (std::size_t i = 0; i < std::size(expected); ++i) REQUIRE(input.q[i] == expected[i]);
}

// What damaged weights can lead to: a code of zero, and the scale of the finite numbers.
std::vector<std::vector<float>> broken_blocks() {
  std::vector<std::vector<float>> blocks;
  for (const float broken : {NAN, -NAN, INFINITY, -INFINITY}) {
    blocks.emplace_back(kBlock, broken);
    for (unsigned at = 0; at < kBlock; ++at) {
      blocks.push_back(random_activations(kBlock, at));
      blocks.back()[at] = broken;
    }
  }
  return blocks;
}

TEST_CASE("quantize_block: what is no number counts as zero", "[kernels]") {
  for (const std::vector<float>& x : broken_blocks()) {
    TestInput input(1, kBlock);
    kernels_for(Isa::scalar).quantize_block(x.data(), 0, 0, input.view);
    REQUIRE(std::isfinite(input.scale[0]));
    int sums[2] = {0, 0};
    for (int i = 0; i < kBlock; ++i) {
      const int q = input.q[static_cast<std::size_t>(i)];
      if (!std::isfinite(x[static_cast<std::size_t>(i)])) REQUIRE(q == 0);
      sums[i / 16] += q;
    }
    REQUIRE(input.neg_sum[0] == -sums[0]);
    REQUIRE(input.neg_sum[1] == -sums[1]);
  }
}

TEST_CASE("quantize_block is bit-equal on all tables and writes its own places only", "[kernels]") {
  constexpr int kBlocks = 3;
  std::vector<std::vector<float>> blocks = interesting_blocks();
  for (std::vector<float>& broken : broken_blocks()) blocks.push_back(std::move(broken));
  for (const int tokens : {1, 6, 8})
    for (const Kernels* table : vector_kernels())
      for (const std::vector<float>& x : blocks) {
        const GuardedBuffer<float> guarded(std::span<const float>(x), tokens == 1 ? 0 : 4);
        const int block = 1, token = tokens - 1;
        TestInput expected(tokens, kBlocks * kBlock), found(tokens, kBlocks * kBlock);
        for (TestInput* input : {&expected, &found}) {
          input->q.poison();
          input->scale.poison();
          input->neg_sum.poison();
        }
        kernels_for(Isa::scalar).quantize_block(guarded.data(), token, block, expected.view);
        table->quantize_block(guarded.data(), token, block, found.view);
        INFO(to_string(table->isa) << ", " << tokens << " tokens, largest "
                                   << *std::max_element(x.begin(), x.end()));
        REQUIRE(std::memcmp(expected.q.data(), found.q.data(), found.q.size()) == 0);
        REQUIRE(std::memcmp(expected.scale.data(), found.scale.data(), found.scale.size() * 4) == 0);
        REQUIRE(std::memcmp(expected.neg_sum.data(), found.neg_sum.data(), found.neg_sum.size() * 4) == 0);
        REQUIRE((found.q.intact() && found.scale.intact() && found.neg_sum.intact()));
      }
  SUCCEED();
}
