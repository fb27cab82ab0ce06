// A conversation as a JSON file: {"model": ..., "messages": [{"role": ..., "content": ...}, ...]}.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "qwen/qwen.h"

namespace qwen_run {

struct Transcript {
  std::optional<std::string> system;  // the first message, if it is a system message
  std::vector<qwen::ChatTurn> turns;
};

void save_transcript(const std::string& path, const std::string& model, const Transcript& transcript);
// Also reads a bare list of messages. Throws Error(bad_format) if the file is neither, or ends with a user message.
Transcript load_transcript(const std::string& path);

}  // namespace qwen_run
