// The options of every program that loads a model.
#pragma once
#include <string>

#include "common/command_line.h"
#include "qwen/qwen.h"

namespace tools {

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

// -m alone, for commands that read no weights. The default is $QWEN_MODEL.
void add_model_path(CommandLine& app, ModelOptions& options);
// --exact and --quantize: how the weights are stored in memory.
void add_weight_options(CommandLine& app, ModelOptions& options);
// -m, -t, --pin-threads, --exact, --quantize, -v, --no-progress.
void add_model_options(CommandLine& app, ModelOptions& options);
// --chat-template.
void add_chat_template(CommandLine& app, ModelOptions& options);

qwen::LoadOptions load_options(const ModelOptions& options);
// Loads with a progress bar. `seconds` (if not null) receives the load time.
qwen::Model load_model(const ModelOptions& options, double* seconds = nullptr);
// The tokenizer alone, also from a vocabulary-only GGUF file.
qwen::Tokenizer load_tokenizer(const ModelOptions& options);

}  // namespace tools
