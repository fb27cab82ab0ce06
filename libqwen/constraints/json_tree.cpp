#include "constraints/json_tree.h"

#include <unordered_set>

#include "formats/json_reader.h"

namespace qwen::constraints {
namespace {

using formats::JsonReader;

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxValues = 20'000;

class TreeReader {
 public:
  TreeReader(std::string_view text, const std::string& name) : text_(text), in_(text, name) {}

  JsonTree read() {
    JsonTree tree = value();
    in_.finish();
    return tree;
  }

 private:
  JsonTree value() {
    if (++values_ > kMaxValues) in_.bad("more than ", kMaxValues, " values");
    JsonTree tree;
    switch (in_.peek()) {
      case JsonReader::Kind::null: in_.skip(); break;
      case JsonReader::Kind::boolean:
        tree.kind = JsonTree::Kind::boolean;
        tree.boolean = in_.boolean();
        break;
      case JsonReader::Kind::number: {
        tree.kind = JsonTree::Kind::number;
        const std::size_t begin = in_.position();  // peek() has passed the white space
        in_.skip();
        tree.text = text_.substr(begin, in_.position() - begin);
        break;
      }
      case JsonReader::Kind::string:
        tree.kind = JsonTree::Kind::string;
        tree.text = in_.string();
        break;
      case JsonReader::Kind::array:
        tree.kind = JsonTree::Kind::array;
        in_.array([&] { tree.items.push_back(value()); });
        break;
      case JsonReader::Kind::object: {
        tree.kind = JsonTree::Kind::object;
        std::unordered_set<std::string> seen;
        in_.object([&](std::string_view key) {
          if (!seen.emplace(key).second) in_.bad("duplicate key ", quoted(key));
          tree.keys.emplace_back(key);
          tree.items.push_back(value());
        });
        break;
      }
    }
    return tree;
  }

  std::string_view text_;
  JsonReader in_;
  std::size_t values_ = 0;
};

}  // namespace

const JsonTree* JsonTree::find(std::string_view key) const noexcept {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}

JsonTree parse_json_tree(std::string_view text, const std::string& name) {
  if (text.size() > kMaxBytes)
    fail(ErrorCode::bad_format, name, ": ", text.size(), " bytes, expected at most ", kMaxBytes);
  return TreeReader(text, name).read();
}

std::string to_json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          constexpr char kHex[] = "0123456789abcdef";
          out += "\\u00";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string to_json(const JsonTree& value) {
  switch (value.kind) {
    case JsonTree::Kind::null: return "null";
    case JsonTree::Kind::boolean: return value.boolean ? "true" : "false";
    case JsonTree::Kind::number: return value.text;
    case JsonTree::Kind::string: return to_json_string(value.text);
    case JsonTree::Kind::array: {
      std::string out = "[";
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) out += ", ";
        out += to_json(value.items[i]);
      }
      return out + "]";
    }
    case JsonTree::Kind::object: {
      std::string out = "{";
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) out += ", ";
        out += to_json_string(value.keys[i]);
        out += ": ";
        out += to_json(value.items[i]);
      }
      return out + "}";
    }
  }
  return {};
}

}  // namespace qwen::constraints
