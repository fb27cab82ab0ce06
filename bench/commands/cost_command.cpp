#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "commands.h"
#include "common/output.h"
#include "common/program.h"
#include "cost.h"
#include "report.h"
#include "run.h"
#include "statistics.h"

namespace qwen::bench {
namespace {

struct CostFlags {
  ModelChoice choice;
  std::string currency = "USD", versus;
  double watts = 0, price = 0, hours = 24, purchase = 0, upkeep = 0, prefill = 0, decode = 0;
  int prompt = 50, answer = 50, years = 3, threads = 0;
  bool round_down = false, json = false;
  tools::Option watts_option;
};

// A number and where it comes from.
struct Sourced {
  double value = 0;
  const char* source = "assumed";  // or "measured"
};
struct Inputs {
  Sourced watts, prefill, decode;
  std::string remark;  // why watts were not measured
};

void measure_speed(const CostFlags& flags, Inputs& inputs) {
  RunOptions options;
  options.model = flags.choice.model;
  if (!flags.choice.synthetic.empty()) options.synthetic = parse_synthetic(flags.choice.synthetic);
  options.prompts = {flags.prompt};
  options.generate = {std::max(flags.answer, 16)};
  options.repeats = 5;
  if (flags.threads > 0) options.threads = {flags.threads};
  EnergyMeter meter;
  double joules = 0, seconds = 0;
  const RunResult result = run_benchmark(options, [&](const std::string& what, double) {
    // The energy of the measured repeats: from the first test to the end.
    if (what.starts_with("prefill")) {
      meter.start();
      seconds = activity_now().wall_seconds;
    } else if (what.empty()) {
      joules = meter.joules();
      seconds = activity_now().wall_seconds - seconds;
    }
  });
  inputs.prefill = {median(result.runs[0].prefill.at(0).tokens_per_s), "measured"};
  inputs.decode = {median(result.runs[0].decode.at(0).tokens_per_s), "measured"};
  if (meter.readable() && seconds > 0 && joules > 0) {
    inputs.watts = {joules / seconds, "measured"};
  } else {
    inputs.remark = meter.problem();
  }
}

void check(const CostFlags& flags) {
  const auto need = [](const char* flag, double value) {
    if (!(value >= 0) || !std::isfinite(value))
      throw tools::UsageError(std::string(flag) + ": expected a number of at least 0");
  };
  need("--watts", flags.watts);
  need("--price", flags.price);
  need("--purchase", flags.purchase);
  need("--upkeep", flags.upkeep);
  need("--prefill", flags.prefill);
  need("--decode", flags.decode);
  if (!(flags.hours >= 0 && flags.hours <= 24))
    throw tools::UsageError("--hours: expected 0 to 24 hours a day");
}

// Each figure as a table row and a JSON entry.
class Report {
 public:
  void add(const std::string& what, double value, int digits, const std::string& unit, const char* key,
           const std::string& source = "") {
    table_.add({what, fixed(value, digits), unit, source});
    json_[key] = value;
    if (!source.empty()) json_[std::string(key) + "_source"] = source;
  }
  tools::Json& json() { return json_; }
  const Table& table() const { return table_; }

 private:
  Table table_{{"", "value", "unit", "source"}};
  tools::Json json_ = tools::Json::object();
};

void add_work(Report& report, const CostFlags& flags, const Inputs& in) {
  const char* source =
      std::string_view(in.watts.source) == in.decode.source ? in.watts.source : "measured and assumed";
  const double joules_token = joules_per_token(in.watts.value, in.decode.value);
  const double seconds = seconds_per_request(flags.prompt, flags.answer, in.prefill.value, in.decode.value);
  const double joules = seconds * in.watts.value;
  report.add("prefill", in.prefill.value, 1, "tokens/s", "prefill_tokens_per_s", in.prefill.source);
  report.add("decode", in.decode.value, 1, "tokens/s", "decode_tokens_per_s", in.decode.source);
  report.add("energy of a generated token", joules_token, 3, "J", "joules_per_token", source);
  report.add("time of a request", seconds, 3, "s", "seconds_per_request", in.decode.source);
  report.add("energy of a request", joules, 2, "J", "joules_per_request", source);
  report.add("electricity of 1,000 requests", 1000 * price_of_joules(joules, flags.price), 4, flags.currency,
             "price_per_1000_requests", source);
}

std::string years_table(const CostFlags& flags, const Machine& ours, const Machine& theirs,
                        tools::Json& json) {
  Table table({flags.currency + cat(", ", flags.years, " years"), theirs.name, ours.name});
  const YearsTable a = costs_of_years(theirs, flags.years), b = costs_of_years(ours, flags.years);
  table.add({"purchase", fixed(a.purchase, 2), fixed(b.purchase, 2)});
  table.add({"electricity", fixed(a.electricity, 2), fixed(b.electricity, 2)});
  table.add({"upkeep", fixed(a.upkeep, 2), fixed(b.upkeep, 2)});
  table.add({"total", fixed(a.total(), 2), fixed(b.total(), 2)});
  json["years"] = flags.years;
  json["total"] = b.total();
  json["versus_total"] = a.total();
  json["saved_percent"] = saved_percent(b.total(), a.total());
  return table.text() + cat("saved: ", fixed(saved_percent(b.total(), a.total()), 1), " %\n");
}

int cost(CostFlags& flags) {
  check(flags);
  Inputs inputs;
  const bool assumed = flags.prefill > 0 || flags.decode > 0;
  flags.choice.settle(assumed);
  const bool measured = !flags.choice.none();
  if (assumed && measured)
    throw tools::UsageError("expected either a model to measure, or --prefill and --decode");
  if (measured) measure_speed(flags, inputs);
  if (flags.watts_option.given()) {
    inputs.watts = {flags.watts, "assumed"};
    inputs.remark.clear();
  } else if (inputs.watts.value <= 0) {
    if (!measured) inputs.remark = EnergyMeter().problem();
    throw tools::UsageError(cat("--watts: expected the machine's power while it works",
                                inputs.remark.empty() ? "" : ": " + inputs.remark));
  }
  if (!measured) {
    inputs.prefill = {flags.prefill, "assumed"};
    inputs.decode = {flags.decode, "assumed"};
  }
  Report report;
  report.json()["currency"] = flags.currency;
  report.add("power while working", inputs.watts.value, 1, "W", "watts", inputs.watts.source);
  report.add("price of a kWh", flags.price, 4, flags.currency, "price_per_kwh", "assumed");
  report.add("hours a day", flags.hours, 1, "h", "hours_per_day", "assumed");
  double year = electricity_per_year(inputs.watts.value, flags.hours * 365, flags.price);
  report.add("electricity a year", kwh_per_year(inputs.watts.value, flags.hours * 365), 1, "kWh",
             "kwh_per_year", inputs.watts.source);
  report.add("electricity a year", year, 2, flags.currency, "electricity_per_year", inputs.watts.source);
  if (inputs.prefill.value > 0 && inputs.decode.value > 0) add_work(report, flags, inputs);
  if (flags.round_down) year = std::floor(year);
  std::string text = report.table().text();
  if (!flags.versus.empty())
    text.append("\n").append(years_table(flags, {"this machine", flags.purchase, year, flags.upkeep},
                                         read_machine(flags.versus, flags.price), report.json()));
  if (flags.json) {
    tools::write_json(report.json(), true);
  } else {
    tools::write_out(text);
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> cost_command(tools::CommandLine& app) {
  auto flags = std::make_shared<CostFlags>();
  flags->choice.add_options(app);
  app.add("--prefill", flags->prefill, "assume this many prompt tokens/s instead of measuring a model");
  app.add("--decode", flags->decode, "and this many generated tokens/s");
  flags->watts_option =
      app.add("--watts", flags->watts, "power of the machine while it works (default: read from the CPU)");
  app.add("--price", flags->price, "price of a kilowatt-hour").required();
  app.add("--currency", flags->currency, "currency name").show_default();
  app.add("--hours", flags->hours, "hours a day that it works").show_default();
  app.add("--prompt", flags->prompt, "tokens of a request's prompt").range(1, 1 << 20).show_default();
  app.add("--answer", flags->answer, "tokens of its answer").range(1, 1 << 20).show_default();
  app.add("--years", flags->years, "years in the table").range(1, 100).show_default();
  app.add("--purchase", flags->purchase, "purchase price of this machine");
  app.add("--upkeep", flags->upkeep, "yearly upkeep of this machine, without electricity");
  app.add("--versus", flags->versus, "YAML file of the machine to compare with: bench/examples/gpu.yaml");
  app.add_flag("--round-down", flags->round_down,
               "round yearly electricity down to whole units of the currency");
  app.add("-t,--threads", flags->threads, "threads while measuring");
  app.add_flag("--json", flags->json, "one JSON object");
  return [flags] { return cost(*flags); };
}

}  // namespace qwen::bench
