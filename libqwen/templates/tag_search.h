// Finds tags in text that arrives in pieces.
#pragma once
#include <algorithm>
#include <string_view>

namespace qwen::templates {

inline constexpr std::string_view kTagSpace = " \t\r\n";

// Length of the longest end of `text` that begins `tag`, white space before it included: what must be held back until
// more text shows whether it is the tag.
inline std::size_t tag_beginning(std::string_view text, std::string_view tag) noexcept {
  std::size_t size = std::min(text.size(), tag.size() - 1);
  while (size > 0 && !tag.starts_with(text.substr(text.size() - size))) --size;
  const std::size_t last = text.substr(0, text.size() - size).find_last_not_of(kTagSpace);
  return text.size() - (last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace qwen::templates
