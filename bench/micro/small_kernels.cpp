#include <string>

#include "base/aligned_buffer.h"
#include "base/half.h"
#include "micro.h"
#include "model/workspace.h"

namespace qwen::bench {
namespace {

// The widths of the 0.5B shape of Qwen2.5.
constexpr int kHidden = 896, kFfn = 4864, kHeadDim = 64, kGroup = 7;

std::vector<float> numbers(int n) {
  std::vector<float> out(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) out[static_cast<std::size_t>(i)] = static_cast<float>(i % 13 - 6) * 0.25f;
  return out;
}

// One KV head: `queries` rows against `keys` tokens, all of them visible.
void attention(benchmark::State& state, const kernels::Kernels* table, int queries, int keys, bool f16) {
  const std::size_t element = f16 ? 2 : 4;
  const std::size_t part = kernels::kPageTokens * static_cast<std::size_t>(kHeadDim) * element;
  const int pages = (keys + kernels::kPageTokens - 1) / kernels::kPageTokens;
  AlignedBuffer memory(2 * part * static_cast<std::size_t>(pages));
  for (std::size_t i = 0; i < memory.size() / element; ++i) {
    const float value = static_cast<float>(i % 11) * 0.01f;
    if (f16)
      memory.as<std::uint16_t>()[i] = f32_to_f16(value);
    else
      memory.as<float>()[i] = value;
  }
  std::vector<const std::byte*> page_list;
  for (int i = 0; i < pages; ++i) page_list.push_back(memory.data() + 2 * part * static_cast<std::size_t>(i));
  const std::vector<float> q = numbers(queries * kHeadDim);
  std::vector<float> out(q.size());
  std::vector<const float*> q_rows;
  std::vector<float*> out_rows;
  const std::vector<int> lengths(static_cast<std::size_t>(queries), keys);
  for (int i = 0; i < queries; ++i) {
    q_rows.push_back(q.data() + i * kHeadDim);
    out_rows.push_back(out.data() + i * kHeadDim);
  }
  AlignedBuffer scores(static_cast<std::size_t>(queries) * static_cast<std::size_t>(keys + 16) *
                       sizeof(float));
  kernels::AttentionArgs task;
  task.kv = {page_list.data(), 0, part, f16};
  task.head_dim = kHeadDim;
  task.queries = queries;
  task.q = q_rows.data();
  task.out = out_rows.data();
  task.lengths = lengths.data();
  task.scores = scores.as<float>();
  for (auto _ : state) {
    table->attention(task);
    benchmark::ClobberMemory();
  }
  count_rate(state, "GB/s", 2.0 * keys * kHeadDim * static_cast<double>(element));
  count_rate(state, "GMAC/s", 2.0 * queries * keys * kHeadDim);
}

void rms_norm(benchmark::State& state, const kernels::Kernels* table) {
  const std::vector<float> x = numbers(kHidden), weight = numbers(kHidden);
  std::vector<float> out(kHidden);
  for (auto _ : state) {
    table->rms_norm(x.data(), weight.data(), 1e-6f, kHidden, out.data());
    benchmark::ClobberMemory();
  }
  count_rate(state, "GB/s", 3.0 * 4 * kHidden);
}

void silu_mul(benchmark::State& state, const kernels::Kernels* table) {
  const std::vector<float> start = numbers(kFfn), up = numbers(kFfn);
  std::vector<float> gate = start;
  for (auto _ : state) {
    std::copy(start.begin(), start.end(), gate.begin());  // in place: the values would run away
    table->silu_mul(gate.data(), up.data(), kFfn);
    benchmark::ClobberMemory();
  }
  count_rate(state, "GB/s", 3.0 * 4 * kFfn);
}

void rope(benchmark::State& state, const kernels::Kernels* table) {
  std::vector<float> x = numbers(kHeadDim), angles(kHeadDim);
  for (int i = 0; i < kHeadDim / 2; ++i) angles[static_cast<std::size_t>(i)] = 1;  // turned by nothing
  for (auto _ : state) {
    table->rope(x.data(), angles.data(), kHeadDim);
    benchmark::ClobberMemory();
  }
}

void quantize(benchmark::State& state, const kernels::Kernels* table) {
  const std::vector<float> x = numbers(kHidden);
  model::ActivationBuffer buffer;
  buffer.reserve(1, kHidden, kernels::kActivationQ8);
  const kernels::Activations input = buffer.view(1, kHidden);
  for (auto _ : state) {
    for (int block = 0; block < kHidden / kernels::kBlock; ++block)
      table->quantize_block(x.data() + block * kernels::kBlock, 0, block, input);
    benchmark::ClobberMemory();
  }
  count_rate(state, "GB/s", 4.0 * kHidden);
}

}  // namespace

void register_small_kernels() {
  for (const kernels::Kernels* table : runnable_kernels()) {
    const auto name = [&](const char* what) { return std::string(what) + "/" + to_string(table->isa); };
    benchmark::RegisterBenchmark(name("attention/decode-7x1024-f16").c_str(), attention, table, kGroup, 1024,
                                 true);
    benchmark::RegisterBenchmark(name("attention/decode-7x1024-f32").c_str(), attention, table, kGroup, 1024,
                                 false);
    benchmark::RegisterBenchmark(name("attention/prefill-28x512-f16").c_str(), attention, table, 4 * kGroup,
                                 512, true);
    benchmark::RegisterBenchmark(name("rms_norm/896").c_str(), rms_norm, table);
    benchmark::RegisterBenchmark(name("silu_mul/4864").c_str(), silu_mul, table);
    benchmark::RegisterBenchmark(name("rope/64").c_str(), rope, table);
    benchmark::RegisterBenchmark(name("quantize/896").c_str(), quantize, table);
  }
}

}  // namespace qwen::bench
