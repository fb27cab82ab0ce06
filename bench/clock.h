// The clock of all measurements.
#pragma once
#include <chrono>

namespace qwen::bench {

using Clock = std::chrono::steady_clock;

inline double since(Clock::time_point start) {  // seconds
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace qwen::bench
