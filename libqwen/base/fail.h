// Throwing qwen::Error with a message put together from parts.
#pragma once
#include <sstream>
#include <string>

#include "qwen/error.h"

namespace qwen {

// Joins its arguments as an ostream would print them.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
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
