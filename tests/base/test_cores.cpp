// How many cores this process may use, and which: on this machine and on machines made of files.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <thread>

#include "base/cpu.h"
#include "formats/test_folder.h"

using namespace qwen;
using namespace qwen::cpu_detail;
using List = std::vector<int>;

namespace {

// The /proc and /sys of another machine.
class FakeSystem {
 public:
  explicit FakeSystem(const std::string& name) : folder_("cores-" + name) {}
  std::string root() const { return folder_.path(); }
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root() + path).parent_path());
    folder_.write(path.substr(1), text + "\n");
  }
  void cpu(int number, const std::string& siblings, int capacity = 0) const {
    const std::string at = "/sys/devices/system/cpu/cpu" + std::to_string(number);
    write(at + "/topology/thread_siblings_list", siblings);
    if (capacity > 0) write(at + "/cpu_capacity", std::to_string(capacity));
  }
  List cores(const List& allowed) const { return physical_core_cpus(allowed, root()); }

 private:
  test::TestFolder folder_;
};

}  // namespace

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
  const auto big = [&](std::vector<int> capacities) { return big_cores(cpus, capacities); };
  CHECK(big({0, 0, 0, 0, 0, 0, 0, 0}) == cpus);  // the system reports none
  CHECK(big({1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024}) == cpus);
  CHECK(big({414, 414, 414, 414, 1024, 1024, 1024, 1024}) == std::vector<int>{4, 5, 6, 7});  // RK3588
  CHECK(big({325, 325, 325, 325, 828, 828, 828, 1024}) == std::vector<int>{4, 5, 6, 7});
  CHECK(big_cores({}, {}).empty());
}

TEST_CASE("hyper-threads of a core count once", "[base]") {
  const FakeSystem pairs("pairs"), halves("halves"), none("none");
  for (int cpu = 0; cpu < 8; ++cpu) {
    pairs.cpu(cpu, cpu % 2 == 0 ? std::to_string(cpu) + "-" + std::to_string(cpu + 1)
                                : std::to_string(cpu - 1) + "-" + std::to_string(cpu));
    halves.cpu(cpu, std::to_string(cpu % 4) + "," + std::to_string(cpu % 4 + 4));
  }
  const List all = {0, 1, 2, 3, 4, 5, 6, 7};
  CHECK(pairs.cores(all) == List{0, 2, 4, 6});
  CHECK(halves.cores(all) == List{0, 1, 2, 3});
  CHECK(none.cores(all) == all);                // no files: each CPU is a core
  CHECK(pairs.cores({1, 2, 3}) == List{1, 2});  // an affinity mask that splits a pair
  CHECK(halves.cores({6}) == List{6});          // a cpuset of one core
  CHECK(halves.cores({2, 6}) == List{2});
}

TEST_CASE("only the fast cores of a hybrid CPU count", "[base]") {
  const FakeSystem board("rk3588"), phone("phone"), intel("intel");
  for (int cpu = 0; cpu < 8; ++cpu) {
    board.cpu(cpu, std::to_string(cpu), cpu < 4 ? 414 : 1024);
    phone.cpu(cpu, std::to_string(cpu), cpu < 4 ? 325 : cpu < 7 ? 828 : 1024);
  }
  CHECK(board.cores({0, 1, 2, 3, 4, 5, 6, 7}) == List{4, 5, 6, 7});
  CHECK(phone.cores({0, 1, 2, 3, 4, 5, 6, 7}) == List{4, 5, 6, 7});
  CHECK(phone.cores({0, 1, 2}) == List{0, 1, 2});  // only little cores are allowed
  CHECK(phone.cores({3, 7}) == List{7});
  // Two performance cores with hyper-threads and four efficiency cores.
  for (int cpu = 0; cpu < 8; ++cpu) intel.cpu(cpu, cpu < 4 ? cpu < 2 ? "0-1" : "2-3" : std::to_string(cpu));
  intel.write("/sys/devices/cpu_core/cpus", "0-3");
  CHECK(intel.cores({0, 1, 2, 3, 4, 5, 6, 7}) == List{0, 2});
  CHECK(intel.cores({5, 6}) == List{5, 6});  // only efficiency cores are allowed
}

TEST_CASE("damaged files of the system do not remove cores", "[base]") {
  const FakeSystem system("damaged");
  system.cpu(0, "", 0);
  system.cpu(1, "x-y", 0);
  system.write("/sys/devices/system/cpu/cpu2/cpu_capacity", "many");
  system.write("/sys/devices/cpu_core/cpus", "none");
  CHECK(system.cores({0, 1, 2}) == List{0, 1, 2});
}

TEST_CASE("the quota of a control group limits the default threads", "[base]") {
  {
    const FakeSystem system("v2");
    system.write("/proc/self/cgroup", "0::/user.slice/job");
    CHECK(cgroup_quota(system.root()) == 0);
    system.write("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000");
    CHECK(cgroup_quota(system.root()) == 0);
    system.write("/sys/fs/cgroup/user.slice/job/cpu.max", "150000 100000");
    CHECK(cgroup_quota(system.root()) == 1.5);
    system.write("/sys/fs/cgroup/user.slice/cpu.max", "100000 100000");  // a parent's is smaller
    CHECK(cgroup_quota(system.root()) == 1.0);
  }
  {
    const FakeSystem system("v1");
    system.write("/proc/self/cgroup",
                 "9:name=systemd:/\n4:cpuset:/a\n2:cpu,cpuacct:/docker/0123\n0::/ignored");
    system.write("/sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us", "1000");
    system.write("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_period_us", "100000");
    system.write("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_quota_us", "-1");
    CHECK(cgroup_quota(system.root()) == 0);
    system.write("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_quota_us", "150000");
    CHECK(cgroup_quota(system.root()) == 1.5);
  }
  {
    // In a container the group is the root of the mount, but its path is the host's.
    const FakeSystem system("container");
    system.write("/proc/self/cgroup", "2:cpu:/docker/0123");
    system.write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000");
    system.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "125000");
    CHECK(cgroup_quota(system.root()) == 2.5);
  }
  const FakeSystem damaged("damaged-groups");
  damaged.write("/proc/self/cgroup", "\n::\ncpu\n1:cpu\n0::relative\n2:cpu:");
  CHECK(cgroup_quota(damaged.root()) == 0);

  CHECK(threads_for(4, 0) == 4);
  CHECK(threads_for(4, 1.5) == 1);
  CHECK(threads_for(4, 0.25) == 1);
  CHECK(threads_for(4, 1.999) == 2);  // rounding of a quota in microseconds
  CHECK(threads_for(4, 3) == 3);
  CHECK(threads_for(4, 64) == 4);
  CHECK(threads_for(4, 1e30) == 4);
  CHECK(threads_for(1, 1.5) == 1);
}
