// YAML read strictly: every key known, every value of its type and within its limits, errors with file and
// line.
#pragma once
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/fail.h"

namespace qwen::tasks {

// Throws Error(bad_format) if the text is not one document whose top is a mapping.
YAML::Node parse_yaml(std::string_view yaml, const std::string& source);
// The text of a file of at most 1 MiB. Throws Error(not_found), Error(io) or Error(bad_format).
std::string read_text_file(const std::string& path);

// The whole of `text` as a decimal number. YAML's own conversion uses streams, which report a lack of memory as a
// malformed number.
template <class T>
bool parse_number(std::string_view text, T& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// A mapping with the keys it may have.
class Fields {
 public:
  // `where` is for messages: "" at the top, else for example "labels[2]".
  Fields(const YAML::Node& map, const std::string& source, std::string where,
         std::initializer_list<std::string_view> allowed);

  bool has(const char* key) const { return static_cast<bool>(map_[key]); }
  YAML::Node get(const char* key) const { return map_[key]; }
  YAML::Node required(const char* key) const;
  // Text of at most `limit` bytes; with `filled`, not empty.
  std::string text(const YAML::Node& node, std::string_view key, std::size_t limit, bool filled) const;
  std::string text(const char* key, std::size_t limit, bool filled) const;
  std::vector<std::string> texts(const char* key, std::size_t count, std::size_t limit) const;
  // The items of a list of at most `count`; none if the key is missing.
  std::vector<YAML::Node> list(const char* key, std::size_t count) const;
  bool flag(const char* key, bool otherwise) const;
  double number(const char* key, double low, double high, double otherwise) const;
  int integer(const char* key, int low, int high, int otherwise) const;
  std::uint64_t hex64(const char* key) const;

  // "FILE:LINE: WHERE.KEY: reason"
  template <class... Parts>
  [[noreturn]] void fail_at(const YAML::Node& node, std::string_view key, const Parts&... parts) const {
    fail(ErrorCode::bad_format, source_, ":", node.Mark().line + 1, ": ", where_,
         where_.empty() || key.empty() ? "" : ".", key, where_.empty() && key.empty() ? "" : ": ", parts...);
  }
  const YAML::Node& map() const { return map_; }

 private:
  template <class T>
  T scalar(const char* key, const char* expected) const;
  const YAML::Node map_;  // const: looking for a key must not add it
  const std::string& source_;
  std::string where_;
};

}  // namespace qwen::tasks
