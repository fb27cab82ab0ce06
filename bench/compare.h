// Two saved runs side by side.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "report.h"

namespace qwen::bench {

// What `run --json` wrote. Error(not_found), or Error(bad_format) for anything else.
nlohmann::ordered_json read_run(const std::string& path);

struct Comparison {
  Table table;
  int faster = 0, slower = 0, same = 0;  // tests of B against A
  std::string verdict;                   // one line
};
// Tests that both have, matched by kind, threads, tokens, depth and sequences. Error(invalid_argument) for
// none.
Comparison compare_runs(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b);

}  // namespace qwen::bench
