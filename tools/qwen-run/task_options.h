// Options and output of the commands that use tasks.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/model_options.h"
#include "common/output.h"
#include "qwen-run/options.h"
#include "qwen/qwen.h"

namespace qwen_run {

struct TaskFlags {
  tools::ModelOptions model;
  int context = 0;
  std::string kv_type = "auto";
  std::vector<std::string> folders;  // --tasks
  std::string prefix_folder;
  std::string mode = "score";
  std::vector<tools::Option> classifier_options;
  int cache_entries = 0, cache_megabytes = 64, cache_seconds = 3600;

  void add(tools::CommandLine& app);        // model, context, tasks, prefix cache
  void add_mode(tools::CommandLine& app);   // --mode
  void add_cache(tools::CommandLine& app);  // --cache and its limits

  // Whether one of add_mode's or add_cache's options is on the command line.
  bool has_classifier_options() const;
  qwen::TaskRegistry registry() const;
  qwen::ClassifyMode classify_mode() const;
  qwen::KvType kv() const;
  // An inline engine for the flags: classifiers and chats share its computed prompts.
  std::shared_ptr<qwen::Engine> engine(const qwen::Model& model) const;
  // Warns if the task's calibration was fitted with another model or prompt.
  qwen::Classifier classifier(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task) const;
};

// "😄 LLM 情感判断: 正面 (0.98)"
std::string label_line(const qwen::Task& task, const qwen::Classification& result);
// {"label", "probabilities", "tokens", "cached_tokens", "ms"}, and "abstained", "raw", "truncated_tokens" if they apply.
tools::Json label_json(const qwen::Task& task, const qwen::Classification& result);

}  // namespace qwen_run
