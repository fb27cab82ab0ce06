// Energy and money. Formulas only; the inputs are measured or given by the user, and the report says which.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace qwen::bench {

inline constexpr double kHoursPerYear = 8760;
inline constexpr double kJoulesPerKwh = 3.6e6;

inline double kwh_per_year(double watts, double hours_per_year) {
  return watts / 1000 * hours_per_year;
}
inline double electricity_per_year(double watts, double hours_per_year, double price_per_kwh) {
  return kwh_per_year(watts, hours_per_year) * price_per_kwh;
}
inline double joules_per_token(double watts, double tokens_per_s) {
  return watts / tokens_per_s;
}
// Of a request of `prompt` tokens and `answer` generated ones.
inline double seconds_per_request(double prompt, double answer, double prefill_per_s, double decode_per_s) {
  return prompt / prefill_per_s + answer / decode_per_s;
}
inline double price_of_joules(double joules, double price_per_kwh) {
  return joules / kJoulesPerKwh * price_per_kwh;
}

// A way to serve a model for some years.
struct Machine {
  std::string name;
  double purchase = 0;
  double electricity_per_year = 0;
  double upkeep_per_year = 0;
};
struct YearsTable {
  double purchase = 0, electricity = 0, upkeep = 0;
  double total() const { return purchase + electricity + upkeep; }
};
YearsTable costs_of_years(const Machine& machine, int years);
// How much lower `ours` is than `theirs`, in percent.
inline double saved_percent(double ours, double theirs) {
  return 100 * (1 - ours / theirs);
}

// The machine described in a YAML file: name, purchase, upkeep_per_year, and either electricity_per_year or
// watts with hours_per_day (24) - the price of a kilowatt-hour is then `price_per_kwh`. Throws not_found or bad_format.
Machine read_machine(const std::string& path, double price_per_kwh);

// Energy counters of the CPU packages (RAPL), if the kernel lets us read them.
class EnergyMeter {
 public:
  explicit EnergyMeter(std::string folder = "/sys/class/powercap");
  bool readable() const noexcept { return !packages_.empty(); }
  const std::string& problem() const noexcept { return problem_; }  // if not readable()
  void start();
  // Joules since start(). Handles one counter wraparound.
  double joules() const;

 private:
  struct Package {
    std::string file;
    double range = 0;  // microjoules at which the counter wraps
    double at_start = 0;
  };
  std::vector<Package> packages_;
  std::string problem_;
};

}  // namespace qwen::bench
