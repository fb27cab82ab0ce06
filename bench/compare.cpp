#include "compare.h"

#include <filesystem>
#include <fstream>

#include "base/fail.h"
#include "statistics.h"

namespace qwen::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Test {
  std::string name;
  Summary rate;
};

// Every test of a saved run by a name that does not depend on the order of the tests.
std::vector<Test> tests_of(const Json& run) {
  std::vector<Test> tests;
  const auto add = [&](const Json& entry, int threads, const char* kind) {
    const int depth = entry.value("depth", 0), sequences = entry.value("sequences", 1);
    const int batch = entry.value("batch", 512), top = entry.value("top", 0);
    tests.push_back(
        {cat(kind, " ", entry.at("tokens").get<int>(), depth > 0 ? cat(" @ ", depth) : "",
             sequences > 1 ? cat(" x ", sequences) : "", batch == 512 ? "" : cat(" -b ", batch),
             top > 0 ? cat(" top ", top) : "", ", ", threads, threads == 1 ? " thread" : " threads"),
         {entry.at("tokens_per_s").get<double>(), entry.at("tokens_per_s_low").get<double>(),
          entry.at("tokens_per_s_high").get<double>(), 1}});
  };
  for (const Json& one : run.at("runs")) {
    const int threads = one.at("threads").get<int>();
    for (const Json& entry : one.at("prefill")) add(entry, threads, "prefill");
    for (const Json& entry : one.at("decode")) add(entry, threads, "decode");
  }
  return tests;
}

bool noisy(const Json& run) {
  for (const Json& one : run.at("runs"))
    if (!one.at("noise").get<std::string>().empty()) return true;
  return false;
}

}  // namespace

Json read_run(const std::string& path) {
  if (!std::filesystem::is_regular_file(path))
    fail(ErrorCode::not_found, "cannot open ", path, ": no such file");
  std::ifstream file(path);
  Json run = Json::parse(file, nullptr, false);
  bool good = run.is_object() && run.contains("runs");
  try {
    good = good && !tests_of(run).empty() && (noisy(run), true);
  } catch (const nlohmann::json::exception&) {
    good = false;
  }
  if (!good) fail(ErrorCode::bad_format, path, ": this is not what `qwen-bench run --json` writes");
  return run;
}

Comparison compare_runs(const Json& a, const Json& b) {
  Comparison out{Table({"test", "A tokens/s", "A spread", "B tokens/s", "B spread", "B / A", "verdict"}), 0,
                 0, 0, ""};
  const std::vector<Test> others = tests_of(b);
  for (const Test& test : tests_of(a)) {
    for (const Test& other : others) {
      if (other.name != test.name) continue;
      const Verdict verdict = compare(test.rate, other.rate);
      ++(verdict == Verdict::higher ? out.faster : verdict == Verdict::lower ? out.slower : out.same);
      out.table.add({test.name, fixed(test.rate.median, 1), fixed(100 * test.rate.spread(), 1) + " %",
                     fixed(other.rate.median, 1), fixed(100 * other.rate.spread(), 1) + " %",
                     fixed(other.rate.median / test.rate.median, 3),
                     verdict == Verdict::higher  ? "faster"
                     : verdict == Verdict::lower ? "slower"
                                                 : "no difference"});
    }
  }
  if (out.table.empty())
    fail(ErrorCode::invalid_argument,
         "the two runs have no test in common; measure both with the same -p, -n, -d, -s and -t");
  out.verdict = out.faster + out.slower == 0
                    ? "no difference beyond the spread of the repeats"
                    : cat("B is faster in ", out.faster, ", slower in ", out.slower, ", the same in ",
                          out.same, out.same == 1 ? " test" : " tests");
  if (noisy(a) || noisy(b))
    out.verdict +=
        cat("; noisy: ", noisy(a) ? "A" : "", noisy(a) && noisy(b) ? " and " : "", noisy(b) ? "B" : "",
            noisy(a) && noisy(b) ? " were" : " was", " measured while others used the machine");
  return out;
}

}  // namespace qwen::bench
