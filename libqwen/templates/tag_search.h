// Finds tags in text that arrives in pieces.
#pragma once
#include <algorithm>
#include <string_view>

namespace qwen::templates {

inline constexpr std::string_view kTagSpace = " \t\r\n";

// Length of the longest end of `text` that begins `tag`, which is ASCII: what must be held back until more text shows
// whether it is the tag. It never begins within a character.
inline std::size_t partial_tag(std::string_view text, std::string_view tag) noexcept {
  std::size_t size = std::min(text.size(), tag.size() - 1);
  while (size > 0 && !tag.starts_with(text.substr(text.size() - size))) --size;
  return size;
}

// The same with the white space before it.
inline std::size_t tag_beginning(std::string_view text, std::string_view tag) noexcept {
  const std::size_t last = text.substr(0, text.size() - partial_tag(text, tag)).find_last_not_of(kTagSpace);
  return text.size() - (last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace qwen::templates
