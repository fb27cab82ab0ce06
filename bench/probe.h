// Peak read bandwidth and register-only arithmetic of this machine: the roofline that a model's speed is compared with.
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

// Takes the best of a few runs on all threads of the pool, in about half a second. The buffer is much larger than any cache.
class Probe {
 public:
  Probe(Isa isa, ThreadPool& pool) : isa_(isa), pool_(pool) {}
  MachinePeaks measure() const;

 private:
  Isa isa_;
  ThreadPool& pool_;
};

}  // namespace qwen::bench
