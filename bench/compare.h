// Two saved runs side by side.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "report.h"

namespace qwen::bench {

// Reads the output of `run --json`. Throws not_found, or bad_format if it is something else.
nlohmann::ordered_json read_run(const std::string& path);

struct Comparison {
  Table table;
  int faster = 0, slower = 0, same = 0;  // tests of B against A
  std::string verdict;                   // one line
};
// Compares the tests in both runs, matched by kind, threads, tokens, depth and sequences.
// Throws invalid_argument if they have none in common.
Comparison compare_runs(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b);

}  // namespace qwen::bench
