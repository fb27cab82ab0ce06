// A JSON text as a tree, with object members in order and numbers as their text.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwen::constraints {

struct JsonTree {
  enum class Kind { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  std::string text;               // of a string, or of a number as written
  std::vector<JsonTree> items;    // elements, or member values
  std::vector<std::string> keys;  // of an object, in order; as many as items

  const JsonTree* find(std::string_view key) const noexcept;
  bool is(Kind other) const noexcept { return kind == other; }
};

// Throws bad_format if `text` is not JSON, has a duplicate key, more than 1 MiB or more than 20,000 values.
JsonTree parse_json_tree(std::string_view text, const std::string& name);

// The text of `value` on one line, as the generated JSON writes it.
std::string to_json(const JsonTree& value);

// `text` (UTF-8) as a JSON string: escapes only where JSON requires them.
std::string to_json_string(std::string_view text);

}  // namespace qwen::constraints
