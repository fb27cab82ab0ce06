// Options that constrain an answer.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "common/command_line.h"
#include "qwen/constraint.h"

namespace qwen_run {

// A schema given as JSON text (it begins with {, or is true or false), or as the path of a file.
// Throws qwen::Error if the file cannot be read.
std::string read_schema(const std::string& file_or_text);

// --json-schema, --json-object, --regex, --choice: at most one of them.
struct ConstraintFlags {
  std::string schema, regex;
  std::vector<std::string> choices;
  bool json_object = false;

  void add(tools::CommandLine& app);
  // Compiled by the first call. Throws qwen::Error if the schema or the pattern is not accepted.
  const std::optional<qwen::Constraint>& constraint() const;

 private:
  mutable std::optional<qwen::Constraint> compiled_;
};

}  // namespace qwen_run
