#include "base/fail.h"

#include "base/utf8.h"

namespace qwen {

const char* to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::io: return "io";
    case ErrorCode::bad_format: return "bad_format";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::busy: return "busy";
    case ErrorCode::context_full: return "context_full";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

std::string quoted(std::string_view text, std::size_t limit) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  std::size_t i = 0;
  while (i < text.size() && out.size() < limit) {
    const auto [code_point, length, incomplete] = decode_utf8(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    if (incomplete || code_point < 0x20 || code_point == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
      i += 1;
    } else {
      out += text.substr(i, static_cast<std::size_t>(length));
      i += static_cast<std::size_t>(length);
    }
  }
  out += i < text.size() ? "...\"" : "\"";
  return out;
}

}  // namespace qwen
