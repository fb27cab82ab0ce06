// The commands of qwen-bench, and the options that several of them share.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/command_line.h"
#include "synthetic.h"

namespace qwen::bench {

// Which model a command measures: a file, synthetic weights, or the bundled model.
struct ModelChoice {
  std::string model, synthetic;

  void add_options(tools::CommandLine& app);
  // Call after parsing. --synthetic on the command line, or `other`, overrides a model from config.yaml or the environment.
  // Throws UsageError if two models are left.
  void settle(bool other = false);
  // settle(); if no model is named, `model` becomes the bundled one, with a note on stderr.
  void require();
  // require(); the file to load: the named one, or one in memory that lives as long as this object.
  std::string path();
  bool none() const { return model.empty() && synthetic.empty(); }

 private:
  tools::Option option_;
  std::shared_ptr<ModelInMemory> in_memory_;
};

// Options of the commands that send requests to a model.
struct LoadFlags {
  ModelChoice choice;
  std::vector<int> at_once = {1, 2, 4, 8};
  int threads = 0;
  bool json = false, markdown = false, no_progress = false;

  void add_options(tools::CommandLine& app);
};

// Removes llama-bench's flags that ask for what qwen-bench does anyway (-ngl 0).
// Throws UsageError, with what to use instead, for its other flags.
void answer_llama_flags(std::vector<std::string>& arguments);

// Each declares its options and returns the function that runs the command.
std::function<int()> run_command(tools::CommandLine& app);
std::function<int()> memory_command(tools::CommandLine& app);
std::function<int()> tasks_command(tools::CommandLine& app);
std::function<int()> engine_command(tools::CommandLine& app);
std::function<int()> constraints_command(tools::CommandLine& app);
std::function<int()> embed_command(tools::CommandLine& app);
std::function<int()> cost_command(tools::CommandLine& app);

}  // namespace qwen::bench
