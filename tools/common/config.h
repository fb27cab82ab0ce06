// config.yaml: one file for every program. The command line and the environment override its values.
#pragma once
#include <string>
#include <vector>

#include "common/command_line.h"

namespace tools {

// Adds --config to a command, and an environment variable QWEN_... to each option that has a key in the file.
void add_config_option(CommandLine& app);

// Reads the file named by --config in `arguments`, else by $LIBQWEN_CONFIG, and sets the options' defaults from it. Does nothing
// if neither names a file. Ignores keys of other programs' options. Relative paths start from the folder of the file.
// Throws UsageError with file and line if the file is not YAML, a key is unknown, or an option refuses a value.
void apply_config(CommandLine& app, const std::vector<std::string>& arguments);

// A config.yaml with all keys that these options have, each with its description. Values that are not set are commented out and show
// the default.
std::string config_sample(const CommandLine& app);

struct CommandText {
  std::string program;  // shown by --version
  std::string command;  // the program, or the program and a subcommand: what --help follows
  std::string intro;    // help before the options
  std::string footer;   // help after the options
};

// All of a program's command line: adds --config and the environment, applies the file, parses, and calls `body`, or prints the
// help or version. Returns the exit code. Throws UsageError.
int run_command_line(CommandLine& app, const CommandText& text, const std::vector<std::string>& arguments,
                     const std::function<int()>& body);

}  // namespace tools
