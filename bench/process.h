// What the kernel says about this process and its surroundings.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace qwen::bench {

struct ProcessMemory {
  std::uint64_t resident = 0;  // VmRSS, bytes
  std::uint64_t peak = 0;      // VmHWM, since the start or since reset_peak_memory()
};
ProcessMemory process_memory();
// Starts the peak anew; false where the kernel does not allow it.
bool reset_peak_memory();

// Memory that new allocations can have without swapping, bytes; 0 where the kernel does not say.
std::uint64_t available_memory();

// Counters that tell whether others used the machine while we measured.
struct Activity {
  double wall_seconds = 0;
  double machine_busy = 0;      // CPU seconds of everybody on the CPUs that we may use
  double steal = 0;             // of these CPUs, taken by other guests of the host
  double own = 0;               // of this process
  std::uint64_t throttled = 0;  // times that the cgroup's quota stopped us
};
Activity activity_now();

// The reasons to distrust what was measured between the two, on one line; empty when it was quiet.
std::string noise_between(const Activity& before, const Activity& after);

std::string cpu_model();

}  // namespace qwen::bench
