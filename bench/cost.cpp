#include "cost.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/fail.h"

namespace qwen::bench {
namespace {

std::optional<double> read_number(const std::string& path) {
  std::ifstream file(path);
  double value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

}  // namespace

YearsTable costs_of_years(const Machine& machine, int years) {
  return {machine.purchase, years * machine.electricity_per_year, years * machine.upkeep_per_year};
}

Machine read_machine(const std::string& path, double price_per_kwh) {
  if (!std::filesystem::exists(path)) fail(ErrorCode::not_found, "cannot open ", path, ": no such file");
  YAML::Node root;
  try {
    root = YAML::LoadFile(path);
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::bad_format, path, ": not YAML: ", error.what());
  }
  if (!root.IsMap())
    fail(ErrorCode::bad_format, path, ": expected keys and values, for example `purchase: 3100`");
  static const std::vector<std::string> kKeys = {
      "name", "purchase", "electricity_per_year", "upkeep_per_year", "watts", "hours_per_day"};
  for (const auto& entry : root)
    if (std::find(kKeys.begin(), kKeys.end(), entry.first.Scalar()) == kKeys.end())
      fail(ErrorCode::bad_format, path, ": unknown key ", quoted(entry.first.Scalar()));
  const auto number = [&](const char* key, double fallback) {
    const YAML::Node node = root[key];
    if (!node) return fallback;
    double value = -1;
    try {
      value = node.as<double>();
    } catch (const YAML::Exception&) {
    }
    if (!(value >= 0) || !std::isfinite(value))
      fail(ErrorCode::bad_format, path, ": ", key, ": expected a number of at least 0, found ",
           quoted(node.Scalar()));
    return value;
  };
  Machine machine;
  machine.name = root["name"] ? root["name"].Scalar() : std::filesystem::path(path).stem().string();
  machine.purchase = number("purchase", 0);
  machine.upkeep_per_year = number("upkeep_per_year", 0);
  if (root["electricity_per_year"]) {
    machine.electricity_per_year = number("electricity_per_year", 0);
  } else {
    machine.electricity_per_year =
        electricity_per_year(number("watts", 0), number("hours_per_day", 24) * 365, price_per_kwh);
  }
  return machine;
}

EnergyMeter::EnergyMeter(std::string folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  bool found = false;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    // intel-rapl:0 is a package; intel-rapl:0:0 is a part of it.
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("intel-rapl:") || std::count(name.begin(), name.end(), ':') != 1) continue;
    found = true;
    const std::string file = (entry.path() / "energy_uj").string();
    if (!read_number(file)) {
      problem_ = "the energy counters (RAPL) cannot be read: " + file + " needs more rights";
      packages_.clear();
      return;
    }
    packages_.push_back({file, read_number((entry.path() / "max_energy_range_uj").string()).value_or(0), 0});
  }
  if (!found) problem_ = "this machine has no energy counters (RAPL) that programs can see";
}

void EnergyMeter::start() {
  for (Package& package : packages_) package.at_start = read_number(package.file).value_or(0);
}

double EnergyMeter::joules() const {
  double microjoules = 0;
  for (const Package& package : packages_) {
    const double now = read_number(package.file).value_or(package.at_start);
    microjoules += now >= package.at_start ? now - package.at_start : now - package.at_start + package.range;
  }
  return microjoules * 1e-6;
}

}  // namespace qwen::bench
