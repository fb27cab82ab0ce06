// A conversation as a JSON file: {"model": ..., "messages": [{"role": ..., "content": ...}, ...]}.
#pragma once
#include <string>
#include <vector>

#include "qwen/qwen.h"

namespace qwen_run {

void save_transcript(const std::string& path, const std::string& model,
                     const std::vector<qwen::Message>& messages);
// Also reads a bare list of messages. Error(bad_format) for anything else; a question without its answer at
// the end is refused too.
std::vector<qwen::Message> load_transcript(const std::string& path);

}  // namespace qwen_run
