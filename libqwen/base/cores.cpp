// How many cores this process may use, and which.
#if defined(__APPLE__)
#include <sys/sysctl.h>
#else
#include <sched.h>
#endif

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "base/cpu.h"
#include "base/fail.h"

namespace qwen {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

#if defined(__APPLE__)
// macOS has neither affinity masks nor sysfs. perflevel0 is the fast cores; Intel Macs do not have it.
std::vector<int> allowed_cpus() {
  int cores = 0;
  for (const char* name : {"hw.perflevel0.physicalcpu", "hw.physicalcpu"}) {
    std::size_t size = sizeof cores;
    if (::sysctlbyname(name, &cores, &size, nullptr, 0) == 0 && cores > 0) break;
  }
  std::vector<int> cpus;
  for (int cpu = 0; cpu < std::max(cores, 1); ++cpu) cpus.push_back(cpu);
  return cpus;
}
#else
std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}
#endif

}  // namespace

namespace cpu_detail {

double parse_cgroup_v2_quota(std::string_view cpu_max) {
  double quota = 0, period = 0;
  std::istringstream in{std::string(cpu_max)};
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return 0;  // "max 100000": no quota
  return quota / period;
}

double parse_cgroup_v1_quota(std::string_view quota_us, std::string_view period_us) {
  return parse_cgroup_v2_quota(std::string(quota_us) + " " + std::string(period_us));  // -1 is no quota
}

double cgroup_quota(const std::string& root) {
  double quota = 0;
  const auto take = [&](double found) {
    if (found > 0 && (quota == 0 || found < quota)) quota = found;
  };
  std::istringstream groups(read_text(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const std::string mount = root + (v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu");
    // Up to the mount's root: a container sees its own group there, under the path of the host.
    for (;;) {
      const std::string folder = mount + path + "/";
      take(v2 ? parse_cgroup_v2_quota(read_text(folder + "cpu.max"))
              : parse_cgroup_v1_quota(read_text(folder + "cpu.cfs_quota_us"),
                                      read_text(folder + "cpu.cfs_period_us")));
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  return quota;
}

std::vector<int> big_cores(std::span<const int> cpus, std::span<const int> capacities) {
  const int largest = capacities.empty() ? 0 : *std::max_element(capacities.begin(), capacities.end());
  std::vector<int> big;
  for (std::size_t i = 0; i < cpus.size(); ++i)
    if (2 * capacities[i] >= largest) big.push_back(cpus[i]);
  return big;
}

std::vector<int> parse_cpu_list(std::string_view list) {
  std::vector<int> cpus;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view part = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    int first = 0, last = 0;
    const char* end = part.data() + part.size();
    const auto [dash, error] = std::from_chars(part.data(), end, first);
    if (error != std::errc{}) continue;
    last = first;
    if (dash != end && *dash == '-' && std::from_chars(dash + 1, end, last).ec != std::errc{}) continue;
    for (int cpu = first; cpu <= last && cpu - first < 4096; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

std::vector<int> physical_core_cpus(std::span<const int> allowed, const std::string& root) {
  const std::string devices = root + "/sys/devices/";
  // ARM's big and little cores differ in capacity (1024: the fastest of the system).
  std::vector<int> capacities;
  for (const int cpu : allowed) {
    const std::vector<int> capacity =
        parse_cpu_list(read_text(cat(devices, "system/cpu/cpu", cpu, "/cpu_capacity")));
    capacities.push_back(capacity.empty() ? 0 : capacity.front());
  }
  const std::vector<int> big = big_cores(allowed, capacities);
  // Intel's hybrid CPUs list their performance cores here; other systems do not have the file.
  const std::vector<int> performance = parse_cpu_list(read_text(devices + "cpu_core/cpus"));
  std::vector<int> cores;
  std::set<int> taken;
  for (const int cpu : big) {
    if (taken.count(cpu) != 0) continue;
    const std::string path = cat(devices, "system/cpu/cpu", cpu, "/topology/thread_siblings_list");
    for (const int sibling : parse_cpu_list(read_text(path))) taken.insert(sibling);
    taken.insert(cpu);
    if (performance.empty() || std::find(performance.begin(), performance.end(), cpu) != performance.end())
      cores.push_back(cpu);
  }
  return cores.empty() ? big : cores;
}

int threads_for(std::size_t cores, double quota) {
  const int count = static_cast<int>(cores);
  if (quota <= 0) return count;
  return static_cast<int>(std::clamp(std::floor(quota + 0.01), 1.0, static_cast<double>(count)));
}

}  // namespace cpu_detail

std::vector<int> physical_core_cpus() {
  return cpu_detail::physical_core_cpus(allowed_cpus(), "");
}

int default_threads() {
  return cpu_detail::threads_for(physical_core_cpus().size(), cpu_detail::cgroup_quota(""));
}

}  // namespace qwen
