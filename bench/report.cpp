#include "report.h"

#include <cmath>
#include <ctime>

#include "base/fail.h"
#include "statistics.h"

namespace qwen::bench {
namespace {

using Json = nlohmann::ordered_json;

double rounded(double value, int digits) {
  const double scale = std::pow(10.0, digits);
  return std::round(value * scale) / scale;
}

Json percentiles_ms(const std::vector<double>& seconds) {
  Json out;
  for (const auto& [name, p] : {std::pair{"p50", 50.0}, {"p90", 90.0}, {"p95", 95.0}, {"p99", 99.0}})
    out[name] = rounded(1e3 * percentile(seconds, p), 4);
  return out;
}

void add_rate(Json& out, const std::vector<double>& samples) {
  const Summary summary = summarize(samples);
  out["tokens_per_s"] = rounded(summary.median, 3);
  out["tokens_per_s_low"] = rounded(summary.low, 3);
  out["tokens_per_s_high"] = rounded(summary.high, 3);
  out["spread_percent"] = rounded(100 * summary.spread(), 2);
  for (const double sample : samples) out["samples_tokens_per_s"].push_back(rounded(sample, 3));
}

Json run_json(const ThreadResult& run) {
  Json out;
  out["threads"] = run.threads;
  out["machine"] = {{"read_gb_per_s", rounded(run.peaks.read_gb_per_s, 2)},
                    {"int8_gmac_per_s", rounded(run.peaks.int8_gmac_per_s, 1)},
                    {"float_gmac_per_s", rounded(run.peaks.float_gmac_per_s, 1)}};
  out["prefill"] = Json::array();
  for (const PrefillResult& p : run.prefill) {
    Json entry{{"tokens", p.tokens}, {"depth", p.depth}, {"batch", p.batch}};
    add_rate(entry, p.tokens_per_s);
    entry["peak_percent"] = rounded(p.peak_percent, 2);
    entry["first_token_ms"] = percentiles_ms(p.first_token_s);
    out["prefill"].push_back(std::move(entry));
  }
  out["decode"] = Json::array();
  for (const DecodeResult& d : run.decode) {
    Json entry{{"tokens", d.tokens}, {"depth", d.depth}, {"sequences", d.sequences}, {"top", d.top}};
    add_rate(entry, d.tokens_per_s);
    entry["gb_per_s"] = rounded(d.gb_per_s, 2);
    entry["bandwidth_percent"] = rounded(d.bandwidth_percent, 2);
    entry["between_tokens_ms"] = percentiles_ms(d.token_s);
    out["decode"].push_back(std::move(entry));
  }
  out["load_ms"] = {{"map", rounded(1e3 * run.load.map, 2)},
                    {"tokenizer", rounded(1e3 * run.load.tokenizer, 2)},
                    {"pack", rounded(1e3 * run.load.pack, 2)},
                    {"first_token", rounded(1e3 * run.load.first_token, 2)},
                    {"total", rounded(1e3 * run.load.total(), 2)}};
  out["memory_bytes"] = {
      {"weights", run.memory.weights},   {"kv_cache", run.memory.kv},
      {"scratch", run.memory.scratch},   {"other", run.memory.other},
      {"resident", run.memory.resident}, {"peak", run.memory.peak > 0 ? Json(run.memory.peak) : Json()}};
  out["noise"] = run.noise;
  return out;
}

std::string megabytes(std::uint64_t bytes) {
  return fixed(static_cast<double>(bytes) * 1e-6, 1);
}

std::string percent(double value) {
  return fixed(value, 1) + " %";
}

Table speed_table(const RunResult& result) {
  Table table(
      {"test", "threads", "tokens/s", "spread", "GB/s", "of peak", "p50 ms", "p90 ms", "p95 ms", "p99 ms"});
  const auto row = [&](const ThreadResult& run, std::string name, const std::vector<double>& rates,
                       const std::string& gb, double of_peak, const std::vector<double>& seconds) {
    const Summary rate = summarize(rates);
    std::vector<std::string> cells = {
        std::move(name), std::to_string(run.threads), fixed(rate.median, 1), percent(100 * rate.spread()), gb,
        percent(of_peak)};
    for (const double p : {50.0, 90.0, 95.0, 99.0}) cells.push_back(fixed(1e3 * percentile(seconds, p), 2));
    table.add(std::move(cells));
  };
  for (const ThreadResult& run : result.runs) {
    for (const PrefillResult& p : run.prefill)
      row(run,
          cat("prefill ", p.tokens, p.depth > 0 ? cat(" @ ", p.depth) : "",
              p.batch == 512 ? "" : cat(" -b ", p.batch)),
          p.tokens_per_s, "-", p.peak_percent, p.first_token_s);
    for (const DecodeResult& d : run.decode)
      row(run,
          cat("decode ", d.tokens, d.depth > 0 ? cat(" @ ", d.depth) : "",
              d.sequences > 1 ? cat(" x ", d.sequences) : "", d.top > 0 ? cat(" top ", d.top) : ""),
          d.tokens_per_s, fixed(d.gb_per_s, 1), d.bandwidth_percent, d.token_s);
  }
  return table;
}

// One number a cell, and everything that identifies a row in the row.
Table csv_table(const RunResult& result) {
  Table table({"date",    "model",        "type",           "cpu",      "isa",          "threads",
               "repeats", "test",         "tokens",         "depth",    "batch",        "sequences",
               "top",     "tokens_per_s", "spread_percent", "gb_per_s", "peak_percent", "p50_ms",
               "p90_ms",  "p95_ms",       "p99_ms",         "noise"});
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  const auto row = [&](const ThreadResult& run, const std::vector<std::string>& test,
                       const std::vector<double>& rates, const std::string& gb, double of_peak,
                       const std::vector<double>& seconds) {
    const Summary rate = summarize(rates);
    std::vector<std::string> cells = {date,
                                      result.model,
                                      result.type,
                                      result.cpu,
                                      result.isa,
                                      std::to_string(run.threads),
                                      std::to_string(result.repeats)};
    cells.insert(cells.end(), test.begin(), test.end());
    cells.insert(cells.end(), {fixed(rate.median, 3), fixed(100 * rate.spread(), 2), gb, fixed(of_peak, 2)});
    for (const double p : {50.0, 90.0, 95.0, 99.0}) cells.push_back(fixed(1e3 * percentile(seconds, p), 3));
    cells.push_back(run.noise);
    table.add(std::move(cells));
  };
  const auto text = [](int value) { return std::to_string(value); };
  for (const ThreadResult& run : result.runs) {
    for (const PrefillResult& p : run.prefill)
      row(run, {"prefill", text(p.tokens), text(p.depth), text(p.batch), "1", ""}, p.tokens_per_s, "",
          p.peak_percent, p.first_token_s);
    for (const DecodeResult& d : run.decode)
      row(run, {"decode", text(d.tokens), text(d.depth), "", text(d.sequences), text(d.top)}, d.tokens_per_s,
          fixed(d.gb_per_s, 3), d.bandwidth_percent, d.token_s);
  }
  return table;
}

Table load_table(const RunResult& result) {
  Table table({"load, ms", "threads", "map", "tokenizer", "pack", "first token", "total"});
  for (const ThreadResult& run : result.runs)
    table.add({"", std::to_string(run.threads), fixed(1e3 * run.load.map, 1),
               fixed(1e3 * run.load.tokenizer, 1), fixed(1e3 * run.load.pack, 1),
               fixed(1e3 * run.load.first_token, 1), fixed(1e3 * run.load.total(), 1)});
  return table;
}

Table memory_table(const RunResult& result) {
  Table table({"memory, MB", "threads", "weights", "KV", "scratch", "other", "resident", "peak"});
  for (const ThreadResult& run : result.runs)
    table.add({"", std::to_string(run.threads), megabytes(run.memory.weights), megabytes(run.memory.kv),
               megabytes(run.memory.scratch), megabytes(run.memory.other), megabytes(run.memory.resident),
               run.memory.peak > 0 ? megabytes(run.memory.peak) : "-"});
  return table;
}

std::string heading(const RunResult& result) {
  std::string out =
      cat(result.model, result.type.empty() ? "" : " ", result.type, ", ",
          fixed(static_cast<double>(result.bytes_per_token) * 1e-6, 1), " MB of weights a token; ",
          result.cpu, ", ", result.isa, ", ", result.repeats, " repeats");
  if (result.synthetic_seconds > 0)
    out += cat("; synthetic weights made in ", fixed(result.synthetic_seconds, 2), " s");
  return out;
}

std::string machine_line(const ThreadResult& run) {
  return cat(run.threads, run.threads == 1 ? " thread: " : " threads: ", "reads ",
             fixed(run.peaks.read_gb_per_s, 1), " GB/s, ", fixed(run.peaks.int8_gmac_per_s, 0),
             " GMAC/s int8, ", fixed(run.peaks.float_gmac_per_s, 0), " GMAC/s float");
}

std::string warnings(const RunResult& result) {
  std::string out;
  for (const ThreadResult& run : result.runs)
    if (!run.noise.empty()) out += cat("noisy: ", run.noise, "\n");
  return out;
}

std::string render_tables(const RunResult& result, bool markdown) {
  std::string out = heading(result) + "\n";
  for (const ThreadResult& run : result.runs)
    out.append(markdown ? "\n" : "").append(machine_line(run)).append("\n");
  for (const Table& table : {speed_table(result), load_table(result), memory_table(result)})
    if (!table.empty()) out.append("\n").append(markdown ? table.markdown() : table.text());
  const std::string noise = warnings(result);
  if (!noise.empty()) out.append("\n").append(noise);
  return out;
}

}  // namespace

Json to_json(const RunResult& result) {
  Json out{{"model", result.model},
           {"type", result.type},
           {"parameters", result.parameters},
           {"bytes_per_token", result.bytes_per_token},
           {"macs_per_prompt_token", result.body_macs},
           {"cpu", result.cpu},
           {"isa", result.isa},
           {"repeats", result.repeats}};
  // What the first number of threads gave stands at the top, where scripts look for it; all of them are in
  // "runs".
  if (!result.runs.empty()) out.update(run_json(result.runs.front()));
  out["runs"] = Json::array();
  for (const ThreadResult& run : result.runs) out["runs"].push_back(run_json(run));
  return out;
}

std::string render(const RunResult& result, Format format) {
  switch (format) {
    case Format::json: return to_json(result).dump(2) + "\n";
    case Format::csv: return csv_table(result).csv();
    case Format::markdown: return render_tables(result, true);
    case Format::table: break;
  }
  return render_tables(result, false);
}

}  // namespace qwen::bench
