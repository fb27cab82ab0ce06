// The groups of microbenchmarks.
#pragma once
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/kernels.h"

namespace qwen::bench {

void register_matmul();         // every type of weights: one token (GEMV) and many (GEMM)
void register_small_kernels();  // attention, norm, RoPE, SiLU, quantizing activations
void register_text();           // tokenizer and sampler

// The levels that this CPU can run.
std::vector<const kernels::Kernels*> runnable_kernels();

inline void count_rate(benchmark::State& state, const char* name, double each) {
  state.counters[name] =
      benchmark::Counter(each * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

}  // namespace qwen::bench
