// A conversation as a JSON file: {"model": ..., "messages": [{"role": ..., "content": ...}, ...]}.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "qwen/qwen.h"

namespace qwen_run {

struct Transcript {
  std::optional<std::string> system;  // the first message, where it is one
  std::vector<qwen::ChatTurn> turns;
};

void save_transcript(const std::string& path, const std::string& model, const Transcript& transcript);
// Also reads a bare list of messages. Error(bad_format) for anything else; a question without its answer at
// the end is refused too.
Transcript load_transcript(const std::string& path);

}  // namespace qwen_run
