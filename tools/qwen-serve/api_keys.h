// The API keys that clients may present.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace qwen_serve {

class ApiKeys {
 public:
  // Keys from a file, one a line ('#' starts a comment), and from a comma-separated list.
  // Throws bad_format if a key is too short or contains white space, or if the file holds no key.
  // Throws io if the file cannot be read.
  ApiKeys(const std::string& path, std::string_view list);
  bool required() const noexcept { return !keys_.empty(); }
  std::size_t count() const noexcept { return keys_.size(); }
  // The index of the key, or -1. Takes the same time for every wrong key of the same length.
  int find(std::string_view key) const noexcept;

 private:
  void add(std::string_view key, const std::string& where);
  std::vector<std::string> keys_;
};

}  // namespace qwen_serve
