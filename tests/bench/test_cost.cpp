// The formulas against the figures of published cost studies, from the same inputs.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "cost.h"
#include "qwen/error.h"

using namespace qwen::bench;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    static int serial = 0;
    path = fs::temp_directory_path() /
           ("qwen-bench-test-" + std::to_string(::getpid()) + "-" + std::to_string(serial++));
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
  fs::path path;
};

}  // namespace

TEST_CASE("electricity of a year", "[bench]") {
  CHECK(electricity_per_year(120, kHoursPerYear, 0.15) == Approx(157.68).epsilon(1e-9));
  CHECK(electricity_per_year(20, kHoursPerYear, 0.15) == Approx(26.28).epsilon(1e-9));
  CHECK(kwh_per_year(70, 8 * 365) == Approx(204.4));
  CHECK(std::lround(electricity_per_year(70, 8 * 365, 0.6)) == 123);
  CHECK(std::floor(electricity_per_year(15, 8 * 365, 0.6)) == 26);
}

TEST_CASE("three years of a GPU box and of a CPU", "[bench]") {
  const YearsTable gpu = costs_of_years({"GPU box", 3100, 96, 1200}, 3);
  CHECK(gpu.electricity == 288);
  CHECK(gpu.upkeep == 3600);
  CHECK(gpu.total() == 6988);
  const YearsTable cpu = costs_of_years({"CPU", 0, 26, 120}, 3);
  CHECK(cpu.electricity == 78);
  CHECK(cpu.total() == 438);
  CHECK(std::round(10 * saved_percent(cpu.total(), gpu.total())) / 10 == Approx(93.7));
}

TEST_CASE("energy of tokens and requests", "[bench]") {
  CHECK(joules_per_token(20, 80) == Approx(0.25));
  CHECK(seconds_per_request(100, 50, 1000, 100) == Approx(0.6));
  CHECK(1000 * price_of_joules(3600, 0.15) == Approx(0.15));
}

TEST_CASE("machines from YAML", "[bench]") {
  const Folder folder;
  const Machine box = read_machine(
      folder.write("box.yaml", "name: box\npurchase: 3100\nupkeep_per_year: 1200\nelectricity_per_year: 96"),
      1);
  CHECK(costs_of_years(box, 3).total() == 6988);
  const Machine card = read_machine(folder.write("card.yaml", "watts: 70\nhours_per_day: 8"), 0.6);
  CHECK(card.name == "card");
  CHECK(card.electricity_per_year == Approx(122.64));
  CHECK_THROWS_AS(read_machine((folder.path / "none.yaml").string(), 1), qwen::Error);
  CHECK_THROWS_WITH(read_machine(folder.write("bad.yaml", "wats: 3"), 1),
                    Catch::Contains("unknown key \"wats\""));
  CHECK_THROWS_WITH(read_machine(folder.write("neg.yaml", "watts: -3"), 1), Catch::Contains("at least 0"));
  CHECK_THROWS_WITH(read_machine(folder.write("list.yaml", "[1, 2]"), 1), Catch::Contains("keys and values"));
}

TEST_CASE("energy counters", "[bench]") {
  const Folder folder;
  folder.write("intel-rapl:0/energy_uj", "1000000");
  folder.write("intel-rapl:0/max_energy_range_uj", "9000000");
  folder.write("intel-rapl:0:0/energy_uj", "77");  // a part of the package
  EnergyMeter meter(folder.path.string());
  REQUIRE(meter.readable());
  meter.start();
  folder.write("intel-rapl:0/energy_uj", "3500000");
  CHECK(meter.joules() == Approx(2.5));
  folder.write("intel-rapl:0/energy_uj", "500000");  // wrapped around
  CHECK(meter.joules() == Approx(8.5));

  const EnergyMeter none((folder.path / "nothing").string());
  CHECK_FALSE(none.readable());
  CHECK(none.problem().find("RAPL") != std::string::npos);
  const Folder locked;
  fs::create_directories(locked.path / "intel-rapl:0" / "energy_uj");  // cannot be read as a number
  const EnergyMeter refused(locked.path.string());
  CHECK_FALSE(refused.readable());
  CHECK(refused.problem().find("more rights") != std::string::npos);
}
