#include "qwen-run/constraint_options.h"

#include <fstream>
#include <iterator>

#include "qwen/error.h"

namespace qwen_run {

std::string read_schema(const std::string& file_or_text) {
  const std::size_t first = file_or_text.find_first_not_of(" \t\r\n");
  const bool is_text = first != std::string::npos && file_or_text[first] == '{';
  if (is_text || file_or_text == "true" || file_or_text == "false") return file_or_text;
  std::ifstream file(file_or_text, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) throw qwen::Error(qwen::ErrorCode::io, file_or_text + ": cannot be read");
  return text;
}

}  // namespace qwen_run
