// qwen-microbench: the kernels one by one, on every instruction set of this CPU. Counters: GB/s of weights or
// keys and values read, GMAC/s of multiply-adds done. --benchmark_filter=REGEX chooses, for example
// 'gemv/q4_0/avx512'.
#include <benchmark/benchmark.h>

#include "micro.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  qwen::bench::register_matmul();
  qwen::bench::register_small_kernels();
  qwen::bench::register_text();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
