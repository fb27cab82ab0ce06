// Throws qwen::Error with a message joined from parts.
#pragma once
#include <locale>
#include <sstream>
#include <string>

#include "qwen/error.h"

namespace qwen {

// Joins its arguments as an ostream would print them; numbers do not follow the program's locale.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, cat(parts...));
}

// `text` made safe for one line of a message: control characters and invalid bytes escaped, at most `limit`
// bytes.
std::string quoted(std::string_view text, std::size_t limit = 80);

}  // namespace qwen
