// The options of every program that loads a model.
#pragma once
#include <optional>
#include <string>

#include "common/command_line.h"
#include "qwen/qwen.h"

namespace tools {

// Named as in llama.cpp; 0 (ext_factor: negative) and unset mean the model's own value.
struct RopeFlags {
  std::string scaling;  // "", none, linear or yarn
  std::optional<float> scale, freq_base, freq_scale;
  std::optional<int> original_context;
  std::optional<float> ext_factor, attention_factor, beta_fast, beta_slow;
};

struct ModelOptions {
  std::string path;  // "": the bundled model
  Option path_option;
  RopeFlags rope;
  int threads = 0;
  bool pin_threads = false;
  bool exact = false;
  std::string quantize = "none";
  std::string chat_template;
  bool verbose = false;
  bool no_progress = false;
};

// -m alone, for commands that read no weights; else LIBQWEN_MODEL.
void add_model_path(CommandLine& app, ModelOptions& options);
// --exact and --quantize: how the weights are stored in memory.
void add_weight_options(CommandLine& app, ModelOptions& options);
// --rope-scaling, --rope-scale, ..., --yarn-beta-slow: long contexts.
void add_rope_options(CommandLine& app, ModelOptions& options);
// -m, -t, --pin-threads, --exact, --quantize, those of add_rope_options, -v, --no-progress.
void add_model_options(CommandLine& app, ModelOptions& options);
// --chat-template.
void add_chat_template(CommandLine& app, ModelOptions& options);
// What LoadOptions::chat_template takes for the value of --chat-template: a name, or the file's text.
std::string chat_template_text(const std::string& name_or_file);

qwen::LoadOptions load_options(const ModelOptions& options);
// Calls load(); an error says where the model's path came from if not from the command line.
template <class Load>
auto with_model_origin(const ModelOptions& options, const Load& load) {
  try {
    return load();
  } catch (const qwen::Error& error) {
    throw qwen::Error(error.code(), error.what() + options.path_option.origin());
  }
}
// Loads with a progress bar. `seconds` (if not null) receives the load time.
qwen::Model load_model(const ModelOptions& options, double* seconds = nullptr);
// The tokenizer alone, also from a vocabulary-only GGUF file.
qwen::Tokenizer load_tokenizer(const ModelOptions& options);

}  // namespace tools
