// The bits of every kernel, as hashes: the same on x86 and ARM, at every vector level.
#include <catch2/catch.hpp>

#include "kernels/kernel_data.h"

using namespace qwen;
using namespace qwen::kernels;

namespace {

// FNV-1a of the floats' bits.
class Hash {
 public:
  void add(std::span<const float> values) {
    for (const float x : values)
      for (int i = 0; i < 4; ++i) value_ = (value_ ^ (bits_of(x) >> (8 * i) & 0xff)) * 0x100000001b3u;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

// Floats in [-2, 2) made of integers only, so that they are the same with every C library.
std::vector<float> exact_floats(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  for (float& v : x) v = (static_cast<float>(random() >> 8) - 8388608.0f) * 0x1p-22f;
  return x;
}

std::vector<std::byte> exact_float_rows(TensorType type, std::size_t n) {
  const std::vector<float> x = exact_floats(n, 4);
  std::vector<std::byte> out(n * info_of(type).block_bytes);
  for (std::size_t i = 0; i < n; ++i) {
    if (type == TensorType::f32) {
      std::memcpy(out.data() + 4 * i, &x[i], 4);
    } else {
      const std::uint16_t half = type == TensorType::f16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]);
      std::memcpy(out.data() + 2 * i, &half, 2);
    }
  }
  return out;
}

std::uint64_t hash_of_matmul(const Kernels& kernels, TensorType type) {
  constexpr int kRows = 19, kCols = 1280;
  const bool is_float = type == TensorType::f32 || type == TensorType::f16 || type == TensorType::bf16;
  const auto rows =
      is_float ? exact_float_rows(type, kRows * kCols) : random_rows(type, kRows, kCols, Fill::ordinary, 1);
  const PanelMatrix m(type, rows, kRows, kCols);
  std::vector<std::byte> memory(matmul_scratch_bytes(m.matrix) + 64);
  std::byte* scratch = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64);
  Hash hash;
  for (const int tokens : {1, 2, 5, 8, 13}) {
    TestInput input(tokens, kCols);
    for (int t = 0; t < tokens; ++t) input.set(t, exact_floats(kCols, static_cast<unsigned>(t)).data());
    std::vector<float> out(static_cast<std::size_t>(tokens) * 32);
    kernels.matmul(m.matrix, input.view, 0, kRows, out.data(), 32, scratch);
    for (int t = 0; t < tokens; ++t) hash.add({out.data() + t * 32, kRows});
  }
  return hash.value();
}

template <class T>
std::uint64_t hash_of_attention(const Kernels& kernels) {
  constexpr int kDim = 64, kLength = 300, kHeads = 7;
  constexpr std::size_t kPart = kPageTokens * kDim;
  std::vector<std::vector<T>> pages;
  std::vector<const std::byte*> pointers;
  for (unsigned p = 0; p < 2; ++p) {
    const std::vector<float> x = exact_floats(2 * kPart, 7 + p);
    std::vector<T>& page = pages.emplace_back(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      if constexpr (sizeof(T) == 2) {
        page[i] = f32_to_f16(x[i]);
      } else {
        page[i] = x[i];
      }
    }
    pointers.push_back(reinterpret_cast<const std::byte*>(page.data()));
  }
  const std::vector<float> q = exact_floats(2 * kHeads * kDim, 3);
  std::vector<float> out(q.size()), scores(2 * kHeads * 304);
  std::vector<const float*> queries;
  std::vector<float*> outs;
  std::vector<int> lengths;
  for (int i = 0; i < 2 * kHeads; ++i) {
    queries.push_back(q.data() + i * kDim);
    outs.push_back(out.data() + i * kDim);
    lengths.push_back(kLength - 1 + i / kHeads);
  }
  AttentionArgs args;
  args.kv = {pointers.data(), 0, kPart * sizeof(T), sizeof(T) == 2};
  args.head_dim = kDim;
  args.queries = 2 * kHeads;
  args.q = queries.data();
  args.out = outs.data();
  args.lengths = lengths.data();
  args.scores = scores.data();
  kernels.attention(args);
  Hash hash;
  hash.add(out);
  return hash.value();
}

std::uint64_t hash_of_small_kernels(const Kernels& kernels) {
  Hash hash;
  for (const int n : {100, 896}) {
    const auto count = static_cast<std::size_t>(n);
    const std::vector<float> x = exact_floats(count, 1), y = exact_floats(count, 2);
    std::vector<float> out(count);
    kernels.rms_norm(x.data(), y.data(), 1e-6f, n, out.data());
    hash.add(out);
    kernels.silu_mul(out.data(), y.data(), n);
    hash.add(out);
    kernels.add(out.data(), x.data(), n);
    hash.add(out);
    kernels.rope(out.data(), y.data(), n / 2);
    hash.add(out);
  }
  TestInput a(3, 96);
  for (int t = 0; t < 3; ++t) {
    const std::vector<float> x = exact_floats(96, static_cast<unsigned>(20 + t));
    for (int b = 0; b < 3; ++b) kernels.quantize_block(x.data() + b * kBlock, t, b, a.view);
  }
  hash.add({a.view.scale, 9});
  for (int i = 0; i < 3 * 96; ++i) {
    const float q = a.view.q[i];
    hash.add({&q, 1});
  }
  return hash.value();
}

struct GoldenBits {
  TensorType type;
  std::uint64_t hash;
};
constexpr GoldenBits kMatmul[] = {
    {TensorType::f32, 0x179c77702e0578e4},    {TensorType::f16, 0x4afea2920609d8a0},
    {TensorType::bf16, 0xc072593853da28da},   {TensorType::q8_0, 0xba31e28fc0c53440},
    {TensorType::q4_0, 0x2d35171b9182ebb4},   {TensorType::q4_1, 0xc190a100af2788fc},
    {TensorType::q5_0, 0xfc7aff71e9383e3f},   {TensorType::q5_1, 0x713cf2cf1c92bc7e},
    {TensorType::iq4_nl, 0x2a3297b87fd65bdb}, {TensorType::iq4_xs, 0xbfc6e365d458a454},
    {TensorType::q2_k, 0x2c155908bc3a83a},    {TensorType::q3_k, 0x7ed35a9209ade5c1},
    {TensorType::q4_k, 0x520c4f2dbb36717e},   {TensorType::q5_k, 0xb527ff3c40de3ba2},
    {TensorType::q6_k, 0x8837591c1c378eca},
};
constexpr std::uint64_t kAttentionF32 = 0x5f1424c0ffe97271, kAttentionF16 = 0x52db8849f3b61eaf,
                        kSmallKernels = 0x84a8b9b705a44a0e;

}  // namespace

TEST_CASE("every kernel gives the same bits on every machine", "[kernels]") {
  for (const Kernels* kernels : available_kernels()) {
    INFO(to_string(kernels->isa));
    for (const GoldenBits& golden : kMatmul) {
      INFO(name_of(golden.type));
      CHECK(hash_of_matmul(*kernels, golden.type) == golden.hash);
    }
    if (kernels->isa == Isa::scalar) continue;  // sums of attention and norms have another order there
    CHECK(hash_of_attention<float>(*kernels) == kAttentionF32);
    CHECK(hash_of_attention<std::uint16_t>(*kernels) == kAttentionF16);
    CHECK(hash_of_small_kernels(*kernels) == kSmallKernels);
  }
}
