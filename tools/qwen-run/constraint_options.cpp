#include "qwen-run/constraint_options.h"

#include "common/output.h"

namespace qwen_run {

std::string read_schema(const std::string& file_or_text) {
  const std::size_t first = file_or_text.find_first_not_of(" \t\r\n");
  const bool is_text = first != std::string::npos && file_or_text[first] == '{';
  if (is_text || file_or_text == "true" || file_or_text == "false") return file_or_text;
  return tools::read_file(file_or_text);
}

}  // namespace qwen_run
