#include "probe.h"

#include <algorithm>
#include <cstring>

#include "base/aligned_buffer.h"
#include "clock.h"
#include "probe_loops.h"

namespace qwen::bench {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{512} << 20;
constexpr int kRepeats = 6;
constexpr std::uint64_t kRounds = 3'000'000;  // of the arithmetic loops: a few milliseconds each

const ProbeLoops& loops_of(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::avx2: return kProbeAvx2;
    case Isa::avxvnni: return kProbeAvxVnni;
    case Isa::avx512: return kProbeAvx512;
    default: break;
  }
#else
  (void)isa;
#endif
  return kProbeScalar;
}

// Seconds that all threads together take for body(thread), the best of kRepeats.
template <class Body>
double best_seconds(ThreadPool& pool, Body&& body) {
  double best = 1e30;
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = Clock::now();
    pool.run(body);
    best = std::min(best, since(start));
  }
  return best;
}

// The sums must go somewhere, or the compiler leaves the loops out.
template <class T>
void keep(T value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

std::uint64_t read_scalar(const std::byte* data, std::size_t bytes) noexcept {
  std::uint64_t sums[8] = {};
  for (std::size_t at = 0; at < bytes; at += 64) {
    std::uint64_t words[8];
    std::memcpy(words, data + at, 64);
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

template <class T>
double scalar_macs(std::uint64_t rounds, T factor) noexcept {
  constexpr int kChains = 8;
  T sums[kChains] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (std::uint64_t i = 0; i < rounds; ++i) {
    for (T& sum : sums) {
      asm volatile("" : "+r,m"(factor));  // one multiplication after the other, as in a dot product
      sum += factor * factor;
    }
  }
  for (const T sum : sums) keep(sum);
  return static_cast<double>(rounds) * kChains;
}

double scalar_int8(std::uint64_t rounds) noexcept {
  return scalar_macs<std::int32_t>(rounds, 3);
}
double scalar_float(std::uint64_t rounds) noexcept {
  return scalar_macs<float>(rounds, 1e-3f);
}

}  // namespace

const ProbeLoops kProbeScalar = {read_scalar, scalar_int8, scalar_float};

MachinePeaks Probe::measure() const {
  const ProbeLoops& loops = loops_of(isa_);
  MachinePeaks peaks;
  peaks.isa = isa_;
  peaks.threads = pool_.size();
  const auto threads = static_cast<std::size_t>(pool_.size());
  {
    AlignedBuffer buffer(kBufferBytes);
    const std::size_t share = kBufferBytes / threads / 4096 * 4096;
    // Untouched pages would all be the one page of zeros.
    pool_.run(
        [&](int thread) { std::memset(buffer.data() + static_cast<std::size_t>(thread) * share, 1, share); });
    const double seconds = best_seconds(pool_, [&](int thread) {
      keep(loops.read(buffer.data() + static_cast<std::size_t>(thread) * share, share));
    });
    peaks.read_gb_per_s = static_cast<double>(share * threads) / seconds * 1e-9;
  }
  const auto rate = [&](double (*loop)(std::uint64_t) noexcept) {
    double macs = 0;  // the same in each thread
    const double seconds = best_seconds(pool_, [&](int thread) {
      const double done = loop(kRounds);
      if (thread == 0) macs = done;
    });
    return macs * static_cast<double>(threads) / seconds * 1e-9;
  };
  peaks.int8_gmac_per_s = rate(loops.int8_macs);
  peaks.float_gmac_per_s = rate(loops.float_macs);
  return peaks;
}

}  // namespace qwen::bench
