#include "process.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "clock.h"

namespace qwen::bench {
namespace {

std::uint64_t kilobytes_of(const std::string& line) {
  return std::stoull(line.substr(line.find(':') + 1)) * 1024;
}

// Of one "cpuN user nice system idle iowait irq softirq steal" line of /proc/stat.
void add_cpu_line(const std::string& line, Activity& out) {
  std::istringstream fields(line);
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  fields >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  out.machine_busy += (user + nice + system + irq + softirq) * tick;
  out.steal += steal * tick;
}

std::uint64_t throttled_periods() {
  for (const char* path : {"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"}) {
    std::ifstream file(path);
    std::string key;
    std::uint64_t value;
    while (file >> key >> value)
      if (key == "nr_throttled") return value;
  }
  return 0;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

ProcessMemory process_memory() {
  ProcessMemory memory;
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) memory.resident = kilobytes_of(line);
    if (line.starts_with("VmHWM:")) memory.peak = kilobytes_of(line);
  }
  return memory;
}

bool reset_peak_memory() {
  std::ofstream file("/proc/self/clear_refs");
  file << 5 << std::flush;
  return file.good();
}

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("MemAvailable:")) return kilobytes_of(line);
  return 0;
}

Activity activity_now() {
  Activity now;
  now.wall_seconds = since(Clock::time_point());
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  std::ifstream stat("/proc/stat");
  for (std::string line; std::getline(stat, line);) {
    int cpu = -1;
    if (std::sscanf(line.c_str(), "cpu%d", &cpu) == 1 && cpu >= 0 && cpu < CPU_SETSIZE &&
        CPU_ISSET(static_cast<std::size_t>(cpu), &allowed))
      add_cpu_line(line, now);
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  now.own = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  now.throttled = throttled_periods();
  return now;
}

std::string noise_between(const Activity& before, const Activity& after) {
  // Of one core: what a desktop at rest stays below.
  constexpr double kOthers = 0.10, kSteal = 0.05;
  const double wall = after.wall_seconds - before.wall_seconds;
  if (wall <= 0) return {};
  const double others = ((after.machine_busy - before.machine_busy) - (after.own - before.own)) / wall;
  const double steal = (after.steal - before.steal) / wall;
  std::ostringstream out;
  out.precision(2);
  const auto add = [&](const auto&... parts) {
    if (out.tellp() > 0) out << "; ";
    (out << ... << parts);
  };
  if (others > kOthers) add("other programs used ", others, " CPU cores while this ran");
  if (steal > kSteal) add("other guests of this virtual machine's host took ", steal, " CPU cores");
  if (after.throttled > before.throttled)
    add("the CPU quota stopped this program ", after.throttled - before.throttled, " times");
  return out.str();
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

}  // namespace qwen::bench
