// A run's results as table, JSON, CSV and Markdown.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run.h"

namespace qwen::bench {

nlohmann::ordered_json to_json(const RunResult& result);

// Columns lined up, numbers to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() < 2; }
  std::string text() const;
  std::string markdown() const;
  std::string csv() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "1234.5", with `digits` decimals.
std::string fixed(double value, int digits);

enum class Format { table, json, csv, markdown };
std::string render(const RunResult& result, Format format);

}  // namespace qwen::bench
