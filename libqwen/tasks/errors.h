// Errors of this layer, which sees the public headers only.
#pragma once
#include <locale>
#include <sstream>
#include <string>
#include <string_view>

#include "qwen/error.h"

namespace qwen::tasks {

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream message;
  message.imbue(std::locale::classic());
  (message << ... << parts);
  throw Error(code, message.str());
}

// For one line of a message: at most 60 bytes, control characters as '?'.
inline std::string quote(std::string_view text) {
  std::string out(text.substr(0, 60));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  while (text.size() > 60 && !out.empty() && (static_cast<unsigned char>(out.back()) & 0x80)) out.pop_back();
  return "\"" + out + (text.size() > 60 ? "...\"" : "\"");
}

}  // namespace qwen::tasks
