// Options that constrain an answer.
#pragma once
#include <string>

namespace qwen_run {

// A schema given as JSON text (it begins with { after white space, or is true or false), or as the path of a file.
// Throws qwen::Error if the file cannot be read.
std::string read_schema(const std::string& file_or_text);

}  // namespace qwen_run
