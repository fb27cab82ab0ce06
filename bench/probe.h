// What this machine can do at best: read bandwidth of its memory, and arithmetic that never leaves the
// registers. The lines of the roofline that a model's speed is measured against.
#pragma once
#include "base/cpu.h"
#include "base/thread_pool.h"

namespace qwen::bench {

struct MachinePeaks {
  Isa isa = Isa::scalar;
  int threads = 0;
  double read_gb_per_s = 0;
  double int8_gmac_per_s = 0;
  double float_gmac_per_s = 0;
};

// The best of a few runs on all threads of the pool: about half a second. The buffer is much larger than any
// cache.
class Probe {
 public:
  Probe(Isa isa, ThreadPool& pool) : isa_(isa), pool_(pool) {}
  MachinePeaks measure() const;

 private:
  Isa isa_;
  ThreadPool& pool_;
};

}  // namespace qwen::bench
