// The commands of qwen-run. A new one: write its function in a file of its own, add its row to main.cpp's
// table.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

namespace qwen_run {

// Declares a command's options on `app` and returns what runs it: the exit code, or an exception.
using Setup = std::function<int()> (*)(CLI::App& app);

struct Command {
  const char* name;      // "" for the default command
  const char* usage;     // after "qwen-run [-m MODEL]"
  const char* summary;   // one line
  const char* examples;  // below the options of its help
  Setup setup;
};

std::function<int()> ask_command(CLI::App& app);         // answer.cpp
std::function<int()> generate_command(CLI::App& app);    // answer.cpp
std::function<int()> chat_command(CLI::App& app);        // chat.cpp
std::function<int()> sentiment_command(CLI::App& app);   // classify.cpp
std::function<int()> classify_command(CLI::App& app);    // classify.cpp
std::function<int()> analyze_command(CLI::App& app);     // analyze.cpp
std::function<int()> evaluate_command(CLI::App& app);    // evaluate.cpp
std::function<int()> calibrate_command(CLI::App& app);   // evaluate.cpp
std::function<int()> tasks_command(CLI::App& app);       // task_options.cpp
std::function<int()> tokenize_command(CLI::App& app);    // tokens.cpp
std::function<int()> detokenize_command(CLI::App& app);  // tokens.cpp
std::function<int()> logits_command(CLI::App& app);      // logits.cpp
std::function<int()> perplexity_command(CLI::App& app);  // perplexity.cpp
std::function<int()> info_command(CLI::App& app);        // info.cpp

}  // namespace qwen_run
