// The options of commands that compute many texts, a text a line.
#pragma once
#include <memory>
#include <string>

#include "common/model_options.h"
#include "qwen-run/line_source.h"
#include "qwen-run/options.h"
#include "qwen/engine.h"

namespace qwen_run {

struct TextLineFlags {
  tools::ModelOptions model;
  TextInput input;
  int context = 0;
  bool jsonl = false, truncate = false;

  void add(tools::CommandLine& app, const char* description);
  // Inline, for the texts of this process.
  std::shared_ptr<qwen::Engine> engine() const;
  // The text of a line, from its JSON if --jsonl was given. Throws Error(bad_format) with the line's number.
  std::string text_of(const std::string& line, long number) const;
};

}  // namespace qwen_run
