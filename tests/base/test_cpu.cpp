// Instruction sets and cores.
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "base/cpu.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::cpu_detail;
using test::check_error;
using test::WithIsa;

TEST_CASE("names of instruction sets", "[base]") {
  for (const Isa isa : kAllIsas) {
    CHECK(parse_isa(to_string(isa)) == isa);
    const WithIsa forced(to_string(isa));
    CHECK(requested_isa() == isa);
  }
  CHECK(isa_supported(Isa::scalar));
  // Each level includes those below it (AVX-512 machines without AVX-VNNI exist).
  if (isa_supported(Isa::avx512) || isa_supported(Isa::avxvnni)) CHECK(isa_supported(Isa::avx2));
  for (const char* name : {"AVX2", "avx", "avx2 ", "", "sse"})
    check_error(ErrorCode::invalid_argument, "expected scalar, avx2, avxvnni, avx512, neon, dotprod or i8mm",
                [&] { parse_isa(name); });
  const WithIsa empty("");
  CHECK(requested_isa() == std::nullopt);
}

TEST_CASE("quotas of control groups", "[base]") {
  CHECK(parse_cgroup_v2_quota("max 100000\n") == 0);
  CHECK(parse_cgroup_v2_quota("200000 100000\n") == 2.0);
  CHECK(parse_cgroup_v2_quota("150000 100000") == 1.5);
  CHECK(parse_cgroup_v2_quota("5000 100000") == 0.05);
  for (const char* text : {"", "\n", "200000", "abc def", "-1 100000", "100000 0", "0 100000"})
    CHECK(parse_cgroup_v2_quota(text) == 0);
  CHECK(parse_cgroup_v1_quota("400000\n", "100000\n") == 4.0);
  CHECK(parse_cgroup_v1_quota("-1\n", "100000\n") == 0);
  CHECK(parse_cgroup_v1_quota("", "") == 0);
}

TEST_CASE("lists of CPUs", "[base]") {
  using List = std::vector<int>;
  CHECK(parse_cpu_list("0-3,8,10-11\n") == List{0, 1, 2, 3, 8, 10, 11});
  CHECK(parse_cpu_list("0\n") == List{0});
  CHECK(parse_cpu_list("") == List{});
  CHECK(parse_cpu_list("\n") == List{});
  CHECK(parse_cpu_list("x,3,,5-,7") == List{3, 7});
  CHECK(parse_cpu_list("9-7,2") == List{2});
  CHECK(parse_cpu_list("0-2000000000").size() <= 4096);
  CHECK(parse_cpu_list("99999999999999,1") == List{1});
}

TEST_CASE("threads are at most the machine's", "[base]") {
  CHECK(default_threads() >= 1);
  CHECK(default_threads() <= static_cast<int>(std::thread::hardware_concurrency()));
  const std::vector<int> cores = physical_core_cpus();
  CHECK_FALSE(cores.empty());
  CHECK(std::set<int>(cores.begin(), cores.end()).size() == cores.size());
}

TEST_CASE("default threads run on the big cores only", "[base]") {
  const std::vector<int> cpus = {0, 1, 2, 3, 4, 5, 6, 7};
  const auto big = [&](std::vector<int> capacities) { return cpu_detail::big_cores(cpus, capacities); };
  CHECK(big({0, 0, 0, 0, 0, 0, 0, 0}) == cpus);  // the system reports none
  CHECK(big({1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024}) == cpus);
  CHECK(big({414, 414, 414, 414, 1024, 1024, 1024, 1024}) == std::vector<int>{4, 5, 6, 7});  // RK3588
  CHECK(big({325, 325, 325, 325, 828, 828, 828, 1024}) == std::vector<int>{4, 5, 6, 7});
  CHECK(cpu_detail::big_cores({}, {}).empty());
}
