// What this CPU can do, and how many cores we may use.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qwen {

// Levels of instruction sets, in ascending order for each architecture: x86 has avx2 to avx512, aarch64 neon,
// dotprod (sdot) and i8mm (smmla).
enum class Isa { scalar, avx2, avxvnni, avx512, neon, dotprod, i8mm };
inline constexpr Isa kAllIsas[] = {Isa::scalar, Isa::avx2,    Isa::avxvnni, Isa::avx512,
                                   Isa::neon,   Isa::dotprod, Isa::i8mm};

const char* to_string(Isa isa) noexcept;
// "scalar", "avx2", ... Throws invalid_argument for any other name.
Isa parse_isa(std::string_view name);

// True if the CPU and the operating system support the level.
bool isa_supported(Isa isa) noexcept;
// The level that the environment variable LIBQWEN_ISA names, if it is set. Throws invalid_argument if the name is unknown.
std::optional<Isa> requested_isa();

// Physical cores that this process may use, at least 1. Respects the affinity mask and the cgroup CPU quota (v1 and
// v2, rounded down), counts the hyper-threads of a core once, and only the fast cores if the CPU has two kinds.
int default_threads();

// One logical CPU of each of these cores in the affinity mask, in order: pinned threads run there.
std::vector<int> physical_core_cpus();

// What default_threads and physical_core_cpus are made of, for tests. `root` is the folder that has the system's /proc
// and /sys ("" for the real ones). Quotas are in cores; 0 means no quota.
namespace cpu_detail {
double parse_cgroup_v2_quota(std::string_view cpu_max);
double parse_cgroup_v1_quota(std::string_view quota_us, std::string_view period_us);
// The smallest quota of this process's cgroup and its ancestors.
double cgroup_quota(const std::string& root);
// The CPUs of at least half of the largest capacity: the big cores of big.LITTLE, without the little ones.
std::vector<int> big_cores(std::span<const int> cpus, std::span<const int> capacities);
// "0-3,8,10-11" -> the numbers. Skips malformed parts.
std::vector<int> parse_cpu_list(std::string_view list);
// physical_core_cpus for an affinity mask of the CPUs `allowed`.
std::vector<int> physical_core_cpus(std::span<const int> allowed, const std::string& root);
// The default threads on `cores` physical cores.
int threads_for(std::size_t cores, double quota);
}  // namespace cpu_detail

}  // namespace qwen
