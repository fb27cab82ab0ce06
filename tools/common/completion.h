// Completion scripts and man pages, made from the options of a program.
#pragma once
#include <string>
#include <vector>

#include "common/command_line.h"

namespace tools {

// One command of a program.
struct CommandHelp {
  std::string name;      // "": the program without a command
  std::string usage;     // after the program's name
  std::string summary;   // one line
  std::string examples;  // lines
  std::vector<OptionInfo> options;
};

// `kind`: bash, zsh, fish, or man. Throws UsageError for another one.
std::string completion_text(const std::string& kind, const std::string& program,
                            const std::string& description, const std::vector<CommandHelp>& commands);

}  // namespace tools
