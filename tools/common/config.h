// config.yaml: one file for every program. Its values stand behind the command line and the environment.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tools {

// Adds --config to a command, and a variable QWEN_... to each option that a key of the file stands for.
void add_config_option(CLI::App& app);

// Makes the values of the file that `arguments` (--config FILE) or $QWEN_CONFIG names the defaults of the
// app's options. Nothing happens where neither names one. Keys of other programs' options are passed over;
// UsageError with file and line for a key that no program has, and for a value that its option refuses.
void apply_config(CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace tools
