#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "base/aligned_buffer.h"
#include "kernels/pack.h"
#include "micro.h"
#include "model/workspace.h"
#include "quant/quant.h"

namespace qwen::bench {
namespace {

constexpr int kCols = 4864 / 256 * 256;  // a width that every type's blocks divide
constexpr int kGemmTokens = 96;

// Panels of quantized weights, repeated until they are larger than the caches.
struct Weights {
  Weights(TensorType type, std::size_t bytes) {
    constexpr int kDistinct = 4;  // panels
    matrix = {type, true, 0, kCols, nullptr, kernels::panel_bytes(type, kCols)};
    const int panels = std::max(kDistinct, static_cast<int>(bytes / matrix.stride));
    matrix.rows = panels * kernels::kPanelRows;
    memory = AlignedBuffer(matrix.stride * static_cast<std::size_t>(panels));
    const std::size_t rows = static_cast<std::size_t>(kDistinct) * kernels::kPanelRows;
    std::mt19937 random(5);
    std::normal_distribution<float> normal(0, 0.02f);
    std::vector<float> floats(rows * kCols);
    for (float& weight : floats) weight = normal(random);
    std::vector<std::byte> blocks(rows * row_bytes(type, kCols));
    quant::quantize(type, floats, blocks.data());
    kernels::pack_panels(type, type, blocks.data(), static_cast<int>(rows), kCols, memory.data());
    for (int i = kDistinct; i < panels; ++i)
      std::memcpy(memory.data() + matrix.stride * static_cast<std::size_t>(i),
                  memory.data() + matrix.stride * static_cast<std::size_t>(i % kDistinct), matrix.stride);
    matrix.data = memory.data();
  }
  kernels::Matrix matrix;
  AlignedBuffer memory;
};

kernels::Activations make_input(model::ActivationBuffer& buffer, const kernels::Kernels& table, int tokens,
                                unsigned form) {
  buffer.reserve(tokens, kCols, form);
  const kernels::Activations input = buffer.view(tokens, kCols);
  std::vector<float> x(kCols);
  for (int i = 0; i < kCols; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i % 17 - 8) * 0.1f;
  for (int token = 0; token < tokens; ++token) {
    if (form == kernels::kActivationQ8) {
      for (int block = 0; block < kCols / kernels::kBlock; ++block)
        table.quantize_block(x.data() + block * kernels::kBlock, token, block, input);
      continue;
    }
    const auto tile = static_cast<std::size_t>(token / input.width),
               lane = static_cast<std::size_t>(token % input.width);
    for (std::size_t i = 0; i < kCols; ++i)
      const_cast<float*>(input.tiles)[(tile * kCols + i) * static_cast<std::size_t>(input.width) + lane] =
          x[i];
  }
  return input;
}

void matmul(benchmark::State& state, const kernels::Kernels* table, TensorType type, int tokens) {
  // One token is bound by memory, many by arithmetic.
  const Weights weights(type, tokens == 1 ? std::size_t{96} << 20 : std::size_t{1} << 20);
  const kernels::Matrix& matrix = weights.matrix;
  model::ActivationBuffer buffer;
  const kernels::Activations input = make_input(buffer, *table, tokens, kernels::activation_format(matrix));
  AlignedBuffer scratch(kernels::matmul_scratch_bytes(matrix));
  const auto stride = static_cast<std::size_t>(matrix.rows) + kernels::kPanelRows;
  AlignedBuffer out(stride * static_cast<std::size_t>(tokens) * sizeof(float));
  for (auto _ : state) {
    table->matmul(matrix, input, 0, matrix.rows, out.as<float>(), stride, scratch.data());
    benchmark::ClobberMemory();
  }
  count_rate(state, "GB/s", static_cast<double>(weights.memory.size()));
  count_rate(state, "GMAC/s", static_cast<double>(matrix.rows) * kCols * tokens);
}

void pack(benchmark::State& state, TensorType type) {
  constexpr int kRows = 256;
  std::vector<std::byte> blocks(kRows * row_bytes(type, kCols));
  AlignedBuffer out(kernels::panel_bytes(type, kCols) * (kRows / kernels::kPanelRows));
  for (auto _ : state) {
    kernels::pack_panels(type, type, blocks.data(), kRows, kCols, out.data());
    benchmark::ClobberMemory();
  }
  count_rate(state, "GB/s", static_cast<double>(blocks.size()));
}

constexpr const char* kTypes[] = {"F32",  "F16",  "BF16", "Q8_0", "Q4_0", "Q4_1",   "Q5_0",  "Q5_1",
                                  "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"};

}  // namespace

std::vector<const kernels::Kernels*> runnable_kernels() {
  std::vector<const kernels::Kernels*> tables;
  for (const Isa isa : kAllIsas) {
    try {
      tables.push_back(&kernels::kernels_for(isa));
    } catch (const Error&) {  // not on this CPU
    }
  }
  return tables;
}

void register_matmul() {
  for (const kernels::Kernels* table : runnable_kernels())
    for (const char* name : kTypes) {
      const TensorType type = find_tensor_type(std::string_view(name))->type;
      const std::string tail = std::string("/") + name + "/" + to_string(table->isa);
      benchmark::RegisterBenchmark(("gemv" + tail).c_str(), matmul, table, type, 1);
      benchmark::RegisterBenchmark(("gemm" + tail).c_str(), matmul, table, type, kGemmTokens);
    }
  for (const char* name : kTypes)
    benchmark::RegisterBenchmark((std::string("pack/") + name).c_str(), pack,
                                 find_tensor_type(std::string_view(name))->type);
}

}  // namespace qwen::bench
