// Schemas, patterns and texts. The first byte says what is compiled; after a line break comes a text to check.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qwen/constraint.h"
#include "qwen/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const bool pattern = input.front() == 'r';
  input.remove_prefix(1);
  const std::size_t end = input.find('\n');
  const std::string_view source = input.substr(0, end);
  const std::string_view text = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
  try {
    const qwen::Constraint constraint =
        pattern ? qwen::Constraint::regex(source) : qwen::Constraint::json_schema(source);
    // The shortest text is accepted; so is no text of an empty constraint.
    if (!constraint.is_empty()) {
      const std::string shortest = constraint.shortest();
      if (shortest.size() < 2000 && !constraint.accepts(shortest)) std::abort();
    }
    if (constraint.accepts(text) && !constraint.allows_prefix(text.substr(0, text.size() / 2))) std::abort();
  } catch (const qwen::Error& error) {
    if (error.code() == qwen::ErrorCode::internal || error.code() == qwen::ErrorCode::invalid_argument)
      std::abort();
  }
  return 0;
}
