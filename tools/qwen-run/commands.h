// The commands of qwen-run. To add one, write its function and add a row to the table in main.cpp.
#pragma once
#include <functional>

#include "common/command_line.h"

namespace qwen_run {

// Declares a command's options on `app` and returns the function that runs it.
using Setup = std::function<int()> (*)(tools::CommandLine& app);

struct Command {
  const char* name;      // "" for the default command
  const char* usage;     // after "qwen-run [-m MODEL]"
  const char* summary;   // one line
  const char* examples;  // below the options of its help
  Setup setup;           // null for help, which main.cpp runs
};

std::function<int()> ask_command(tools::CommandLine& app);             // answer.cpp
std::function<int()> generate_command(tools::CommandLine& app);        // answer.cpp
std::function<int()> chat_command(tools::CommandLine& app);            // chat.cpp
std::function<int()> sentiment_command(tools::CommandLine& app);       // classify.cpp
std::function<int()> classify_command(tools::CommandLine& app);        // classify.cpp
std::function<int()> extract_command(tools::CommandLine& app);         // classify.cpp
std::function<int()> task_command(tools::CommandLine& app);            // classify.cpp
std::function<int()> analyze_command(tools::CommandLine& app);         // analyze.cpp
std::function<int()> embed_command(tools::CommandLine& app);           // embed.cpp
std::function<int()> rerank_command(tools::CommandLine& app);          // rerank.cpp
std::function<int()> evaluate_command(tools::CommandLine& app);        // evaluate.cpp
std::function<int()> calibrate_command(tools::CommandLine& app);       // evaluate.cpp
std::function<int()> tasks_command(tools::CommandLine& app);           // task_options.cpp
std::function<int()> tokenize_command(tools::CommandLine& app);        // tokens.cpp
std::function<int()> detokenize_command(tools::CommandLine& app);      // tokens.cpp
std::function<int()> apply_template_command(tools::CommandLine& app);  // apply_template.cpp
std::function<int()> logits_command(tools::CommandLine& app);          // logits.cpp
std::function<int()> perplexity_command(tools::CommandLine& app);      // perplexity.cpp
std::function<int()> info_command(tools::CommandLine& app);            // info.cpp
std::function<int()> check_json_command(tools::CommandLine& app);      // check_json.cpp

}  // namespace qwen_run
