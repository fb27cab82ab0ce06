// UTF-8, strictly: shortest forms only, no surrogates, at most U+10FFFF.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace qwen {

// Whether `byte` is the second, third or fourth of a character.
constexpr bool is_utf8_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

struct Utf8Step {
  std::int32_t code_point;  // -1: not a valid character here
  int length;               // bytes of the character, or of the maximal invalid prefix (at least 1)
  bool incomplete = false;  // the text ends inside what may still become a valid character
};

// Decodes the first character of `text` (not empty). For invalid bytes, `length` is the "maximal subpart" of
// the Unicode standard (chapter 3.9, table 3-8): what becomes one U+FFFD.
Utf8Step decode_utf8(std::string_view text) noexcept;

void append_utf8(std::string& out, std::int32_t code_point);

bool is_valid_utf8(std::string_view text) noexcept;

// `text` with each maximal invalid subpart replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace qwen
