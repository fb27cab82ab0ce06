// Memory and CPU use of this process and the machine.
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
// Resets the peak; false if the kernel does not allow it.
bool reset_peak_memory();

// Memory available without swapping, bytes; 0 if unknown.
std::uint64_t available_memory();

// Counters that show whether other processes used the machine during a measurement.
struct Activity {
  double wall_seconds = 0;
  double machine_busy = 0;      // CPU seconds of all processes on the CPUs that this process may use
  double steal = 0;             // of these CPUs, taken by other guests of the host
  double own = 0;               // of this process
  std::uint64_t throttled = 0;  // times that the cgroup's quota throttled this process
};
Activity activity_now();

// Why a measurement between the two is unreliable, on one line; empty if the machine was quiet.
std::string noise_between(const Activity& before, const Activity& after);

std::string cpu_model();

}  // namespace qwen::bench
