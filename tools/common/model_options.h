// -m and its company: which model, and how it is loaded. The same in every program.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "qwen/qwen.h"

namespace tools {

// A check for add_option: a number from `low` to `high`.
CLI::Validator between(double low, double high);
inline constexpr double kMaxInt = 2147483647;

struct ModelOptions {
  std::string path;  // "": the bundled model
  int threads = 0;
  bool pin_threads = false;
  bool exact = false;
  std::string quantize = "none";
  std::string chat_template;
  bool verbose = false;
  bool no_progress = false;
};

// -m alone, for commands that read no weights. `QWEN_MODEL` stands behind it.
void add_model_path(CLI::App& app, ModelOptions& options);
// --exact and --quantize: how the weights are stored in memory.
void add_weight_options(CLI::App& app, ModelOptions& options);
// -m, -t, --pin-threads, --exact, --quantize, -v, --no-progress.
void add_model_options(CLI::App& app, ModelOptions& options);
// --chat-template.
void add_chat_template(CLI::App& app, ModelOptions& options);

qwen::LoadOptions load_options(const ModelOptions& options);
// Loads with a progress bar on a terminal. `seconds` (where not null) is how long it took.
qwen::Model load_model(const ModelOptions& options, double* seconds = nullptr);
// The tokeniser alone: also from a vocabulary-only GGUF file.
qwen::Tokenizer load_tokenizer(const ModelOptions& options);

}  // namespace tools
