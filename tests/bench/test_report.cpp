#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "compare.h"
#include "plot.h"
#include "qwen/error.h"
#include "report.h"

using namespace qwen::bench;

namespace {

RunResult made_up(double speed) {
  RunResult result;
  result.model = "a <model> & more";
  result.type = "q4_0";
  result.bytes_per_token = 1000;
  result.body_macs = 1500;
  result.head_macs = 500;
  result.head_bytes = 300;
  ThreadResult run;
  run.threads = 2;
  run.peaks = {qwen::Isa::avx2, 2, 40, 500, 100};
  run.prefill.push_back({512, 0, 512, {10 * speed, 11 * speed, 12 * speed}, {0.1, 0.2, 0.3}, 30});
  run.decode.push_back({64, 0, 1, 0, {speed, 1.01 * speed, 1.02 * speed}, {0.01, 0.02}, 30, 75});
  run.decode.push_back({64, 1024, 1, 0, {0.9 * speed, 0.91 * speed, 0.92 * speed}, {0.01, 0.02}, 30, 75});
  result.runs.push_back(run);
  return result;
}

std::string save(const RunResult& result, const std::string& name) {
  const auto path = std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()) + ".json");
  std::ofstream(path) << render(result, Format::json);
  return path.string();
}

}  // namespace

TEST_CASE("JSON has the promised keys", "[bench]") {
  const auto json = to_json(made_up(100));
  CHECK(json["prefill"][0]["tokens"] == 512);
  CHECK(json["prefill"][0]["tokens_per_s"] == 1100);
  CHECK(json["decode"][1]["depth"] == 1024);
  CHECK(json["decode"][0]["tokens_per_s"] == 101);
  CHECK(json["decode"][0]["gb_per_s"] == 30);
  CHECK(json["decode"][0]["bandwidth_percent"] == 75);
  CHECK(json["runs"].size() == 1);
}

TEST_CASE("comparisons", "[bench]") {
  const std::string a = save(made_up(100), "qwen-a"), b = save(made_up(120), "qwen-b");
  const Comparison same = compare_runs(read_run(a), read_run(a));
  CHECK(same.same == 3);
  CHECK(same.verdict == "no difference beyond the spread of the repeats");
  const Comparison faster = compare_runs(read_run(a), read_run(b));
  CHECK(faster.faster == 2);  // the prefill's repeats overlap
  CHECK(faster.same == 1);
  RunResult busy = made_up(100);
  busy.runs[0].noise = "other programs used 1 CPU cores\n";
  const std::string c = save(busy, "qwen-c");
  CHECK(compare_runs(read_run(a), read_run(c)).verdict.find("noisy: B was") != std::string::npos);
  RunResult other = made_up(100);
  other.runs[0].threads = 1;
  const std::string d = save(other, "qwen-d");
  CHECK_THROWS_WITH(compare_runs(read_run(a), read_run(d)), Catch::Contains("no test in common"));
  std::ofstream(d) << "{\"runs\": [{}]}";
  CHECK_THROWS_WITH(read_run(d), Catch::Contains("not what `qwen-bench run --json` writes"));
  CHECK_THROWS_WITH(read_run("/nonexistent.json"), Catch::Contains("no such file"));
  for (const auto& path : {a, b, c, d}) std::filesystem::remove(path);
}

TEST_CASE("tables", "[bench]") {
  Table table({"name", "value"});
  table.add({"a, \"b\"", "1.5"});
  table.add({"long name", "10.5"});
  CHECK(table.text() == "name       value\na, \"b\"       1.5\nlong name   10.5\n");
  CHECK(table.csv() == "name,value\n\"a, \"\"b\"\"\",1.5\nlong name,10.5\n");
  CHECK(table.markdown() == "| name | value |\n|---|---:|\n| a, \"b\" | 1.5 |\n| long name | 10.5 |\n");
}

TEST_CASE("plots are drawn inside their frame, with escaped text", "[bench]") {
  const std::string svg = plot_svg(made_up(100));
  CHECK(svg.find("a &lt;model&gt; &amp; more") != std::string::npos);
  CHECK(svg.find("tokens in the context before") != std::string::npos);
  CHECK(svg.find("Roofline") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  CHECK(svg.find("\"-") == std::string::npos);  // no negative coordinate
  CHECK_THROWS_AS(plot_svg(RunResult{}), qwen::Error);
}
