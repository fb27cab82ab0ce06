// Parts of a JSON text as they were written: with the order of their members, which the parsed value has not kept.
#pragma once
#include <string_view>

namespace qwen_serve {

// One value in a JSON text that is known to be valid. The text must outlive it.
class RawJson {
 public:
  explicit RawJson(std::string_view value) : text_(value) {}
  // The member of an object, the last one of this name; empty() if there is none, or this is no object.
  RawJson member(std::string_view name) const;
  // An element of a list; empty() if there is none, or this is no list.
  RawJson element(std::size_t index) const;
  bool empty() const noexcept { return text_.empty(); }
  std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

}  // namespace qwen_serve
