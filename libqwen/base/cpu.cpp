#include "base/cpu.h"

#include <sched.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "base/fail.h"

namespace qwen {

const char* to_string(Isa isa) noexcept {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avxvnni: return "avxvnni";
    case Isa::avx512: return "avx512";
    case Isa::neon: return "neon";
    case Isa::dotprod: return "dotprod";
    case Isa::i8mm: return "i8mm";
  }
  return "scalar";
}

Isa parse_isa(std::string_view name) {
  for (const Isa isa : kAllIsas)
    if (name == to_string(isa)) return isa;
  fail(ErrorCode::invalid_argument, "unknown instruction set ", quoted(name),
       ": expected scalar, avx2, avxvnni, avx512, neon, dotprod or i8mm");
}

#if defined(__x86_64__)
namespace {

// Clang 14 has no names for these two. They use the registers of AVX2, whose probe includes the operating system's
// support.
bool has_f16c() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & (1u << 29)) != 0;
}
bool has_avxvnni() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 4)) != 0;
}

}  // namespace
#elif defined(__aarch64__)
namespace {

#if defined(__APPLE__)
bool has_feature(const char* name) noexcept {
  int value = 0;
  std::size_t size = sizeof value;
  return ::sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
bool has_dotprod() noexcept {
  return has_feature("hw.optional.arm.FEAT_DotProd");
}
bool has_i8mm() noexcept {
  return has_feature("hw.optional.arm.FEAT_I8MM");
}
#else
// Linux and Android; the bits are part of the kernel's ABI (asm/hwcap.h), which old C libraries do not name.
bool has_dotprod() noexcept {
  return (::getauxval(AT_HWCAP) >> 20 & 1) != 0;
}
bool has_i8mm() noexcept {
  return (::getauxval(AT_HWCAP2) >> 13 & 1) != 0;
}
#endif

}  // namespace
#endif

bool isa_supported(Isa isa) noexcept {
#if defined(__x86_64__)
  // The compiler's probe reads XCR0 too: it does not report registers that the operating system does not save.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  switch (isa) {
    case Isa::scalar: return true;
    case Isa::avx2: return avx2;
    case Isa::avxvnni: return avx2 && has_avxvnni();
    case Isa::avx512:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
    default: return false;
  }
#elif defined(__aarch64__)
  switch (isa) {
    case Isa::scalar:
    case Isa::neon: return true;
    case Isa::dotprod: return has_dotprod();
    case Isa::i8mm: return has_dotprod() && has_i8mm();
    default: return false;
  }
#else
  return isa == Isa::scalar;
#endif
}

std::optional<Isa> requested_isa() {
  const char* wanted = std::getenv("LIBQWEN_ISA");
  if (wanted == nullptr || *wanted == '\0') return std::nullopt;
  return parse_isa(wanted);
}

namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

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

// The smallest quota of this process's cgroup and its ancestors, in cores; 0 if there is none.
double cgroup_quota() {
  double quota = 0;
  const auto take = [&](double found) {
    if (found > 0 && (quota == 0 || found < quota)) quota = found;
  };
  std::istringstream groups(read_text("/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const std::string root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    for (;;) {
      const std::string folder = root + path + "/";
      take(v2 ? cpu_detail::parse_cgroup_v2_quota(read_text(folder + "cpu.max"))
              : cpu_detail::parse_cgroup_v1_quota(read_text(folder + "cpu.cfs_quota_us"),
                                                  read_text(folder + "cpu.cfs_period_us")));
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/'));
    }
  }
  return quota;
}

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

}  // namespace cpu_detail

std::vector<int> physical_core_cpus() {
  std::vector<int> allowed = allowed_cpus();
  // ARM's big and little cores differ in capacity (1024: the fastest of the system).
  std::vector<int> capacities;
  for (const int cpu : allowed) {
    const std::vector<int> capacity =
        cpu_detail::parse_cpu_list(read_text(cat("/sys/devices/system/cpu/cpu", cpu, "/cpu_capacity")));
    capacities.push_back(capacity.empty() ? 0 : capacity.front());
  }
  allowed = cpu_detail::big_cores(allowed, capacities);
  // Intel's hybrid CPUs list their performance cores here; other systems do not have the file.
  const std::vector<int> performance = cpu_detail::parse_cpu_list(read_text("/sys/devices/cpu_core/cpus"));
  std::vector<int> cores;
  std::set<int> taken;
  for (const int cpu : allowed) {
    if (taken.count(cpu) != 0) continue;
    const std::string path = cat("/sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list");
    for (const int sibling : cpu_detail::parse_cpu_list(read_text(path))) taken.insert(sibling);
    taken.insert(cpu);
    if (performance.empty() || std::find(performance.begin(), performance.end(), cpu) != performance.end())
      cores.push_back(cpu);
  }
  return cores.empty() ? allowed : cores;
}

int default_threads() {
  const int cores = static_cast<int>(physical_core_cpus().size());
  const double quota = cgroup_quota();
  if (quota <= 0) return cores;
  return std::clamp(static_cast<int>(std::floor(quota + 0.01)), 1, cores);
}

}  // namespace qwen
