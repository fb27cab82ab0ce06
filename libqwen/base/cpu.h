// What this CPU can do, and how many cores we may use.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

namespace qwen {

// Levels of instruction sets, in ascending order: the one list that kernels, tests and messages share.
enum class Isa { scalar, avx2, avxvnni, avx512 };
inline constexpr Isa kAllIsas[] = {Isa::scalar, Isa::avx2, Isa::avxvnni, Isa::avx512};

const char* to_string(Isa isa) noexcept;
// "scalar", "avx2", ...; Error(invalid_argument) for another name.
Isa parse_isa(std::string_view name);

// CPU and operating system support the level (XGETBV included).
bool isa_supported(Isa isa) noexcept;
// The level that the environment variable LIBQWEN_ISA names, if it is set. Error(invalid_argument) for an
// unknown name.
std::optional<Isa> requested_isa();

// Physical cores that this process may use: affinity mask and cgroup CPU quota (v1 and v2) honoured,
// hyper-threads of a core counted once, performance cores only where the CPU has two kinds. At least 1.
int default_threads();

// One logical CPU for each physical core in the affinity mask, in order: where pinned threads go.
std::vector<int> physical_core_cpus();

namespace cpu_detail {
// The parsing behind default_threads, on given file contents, for tests. Quotas are in cores; 0 means none.
double parse_cgroup_v2_quota(std::string_view cpu_max);
double parse_cgroup_v1_quota(std::string_view quota_us, std::string_view period_us);
// "0-3,8,10-11" -> the numbers. Malformed parts are skipped.
std::vector<int> parse_cpu_list(std::string_view list);
}  // namespace cpu_detail

}  // namespace qwen
