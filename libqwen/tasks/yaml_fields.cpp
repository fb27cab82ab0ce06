#include "tasks/yaml_fields.h"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace qwen::tasks {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20;
// The parser recurses once a level: deeper files than any task needs are refused before it sees them.
constexpr int kMaxBrackets = 64;

void check_nesting(std::string_view yaml, const std::string& source) {
  int depth = 0, line = 1;
  for (std::size_t i = 0; i < yaml.size(); ++i) {
    const char c = yaml[i];
    if (c == '\n') ++line;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    // "- - - -" opens a list in a list, as "? ? ?" does a mapping.
    int compact = 0;
    if (i == 0 || yaml[i - 1] == '\n')
      for (std::size_t k = i; k + 1 < yaml.size() && std::strchr("-? :", yaml[k]) && yaml[k] != '\0'; ++k)
        compact += yaml[k] != ' ';
    if (depth > kMaxBrackets || compact > kMaxBrackets)
      fail(ErrorCode::bad_format, source, ":", line, ": nested too deeply (more than ", kMaxBrackets,
           " levels)");
  }
}

// Takes a document's events and does nothing with them.
class Ignore : public YAML::EventHandler {
  using Mark = YAML::Mark;
  using Text = std::string;
  using Style = YAML::EmitterStyle::value;
  void OnDocumentStart(const Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark&, YAML::anchor_t) override {}
  void OnAlias(const Mark&, YAML::anchor_t) override {}
  void OnScalar(const Mark&, const Text&, YAML::anchor_t, const Text&) override {}
  void OnSequenceStart(const Mark&, const Text&, YAML::anchor_t, Style) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const Mark&, const Text&, YAML::anchor_t, Style) override {}
  void OnMapEnd() override {}
};

}  // namespace

YAML::Node parse_yaml(std::string_view yaml, const std::string& source) {
  if (yaml.size() > kMaxFile)
    fail(ErrorCode::bad_format, source, ": expected at most ", kMaxFile, " bytes, found ", yaml.size());
  check_nesting(yaml, source);
  YAML::Node top;
  try {
    // Not YAML::LoadAll: it never ends where a document ends before its text does.
    std::istringstream text{std::string(yaml)};
    YAML::Parser parser(text);
    Ignore ignore;
    parser.HandleNextDocument(ignore);
    if (parser)
      fail(ErrorCode::bad_format, source, ":", 1, ": expected the end of the file, or one document");
    top = YAML::Load(std::string(yaml));
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::bad_format, source, ":", error.mark.is_null() ? 1 : error.mark.line + 1,
         ": not YAML: ", error.msg);
  }
  if (!top.IsMap())
    fail(ErrorCode::bad_format, source, ":1: expected one mapping (key: value lines), found ",
         top.IsNull() ? "nothing" : "something else");
  return top;
}

std::string read_text_file(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error)
    fail(error == std::errc::no_such_file_or_directory ? ErrorCode::not_found : ErrorCode::io, path, ": ",
         error.message());
  if (size > kMaxFile)
    fail(ErrorCode::bad_format, path, ": expected at most ", kMaxFile, " bytes, found ", size);
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  if (!in.is_open() || in.bad()) fail(ErrorCode::io, path, ": ", std::strerror(errno));
  return text;
}

Fields::Fields(const YAML::Node& map, const std::string& source, std::string where,
               std::initializer_list<std::string_view> allowed)
    : map_(map), source_(source), where_(std::move(where)) {
  if (!map.IsMap()) fail_at(map, "", "expected key: value pairs");
  std::vector<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) fail_at(entry.first, "", "a key must be a word");
    const std::string& key = entry.first.Scalar();
    if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
      std::string known;
      for (const std::string_view name : allowed) known += (known.empty() ? "" : ", ") + std::string(name);
      fail_at(entry.first, "", "unknown key ", quoted(key), "; expected one of ", known);
    }
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) fail_at(entry.first, key, "duplicate key");
    seen.push_back(key);
  }
}

YAML::Node Fields::required(const char* key) const {
  const YAML::Node node = map_[key];
  if (!node) fail_at(map_, "", "the key ", key, " is missing");
  return node;
}

std::string Fields::text(const YAML::Node& node, std::string_view key, std::size_t limit, bool filled) const {
  if (!node.IsScalar()) fail_at(node, key, "expected a text");
  const std::string& value = node.Scalar();
  if (value.size() > limit) fail_at(node, key, "expected at most ", limit, " bytes, found ", value.size());
  if (filled && value.empty()) fail_at(node, key, "must not be empty");
  return value;
}

std::string Fields::text(const char* key, std::size_t limit, bool filled) const {
  if (!filled && !has(key)) return {};
  return text(required(key), key, limit, filled);
}

std::vector<YAML::Node> Fields::list(const char* key, std::size_t count) const {
  const YAML::Node node = map_[key];
  if (!node) return {};
  if (!node.IsSequence()) fail_at(node, key, "expected a list");
  if (node.size() > count) fail_at(node, key, "expected at most ", count, " entries, found ", node.size());
  return {node.begin(), node.end()};
}

std::vector<std::string> Fields::texts(const char* key, std::size_t count, std::size_t limit) const {
  std::vector<std::string> out;
  for (const YAML::Node& item : list(key, count)) out.push_back(text(item, key, limit, false));
  return out;
}

template <class T>
T Fields::scalar(const char* key, const char* expected) const {
  const YAML::Node node = map_[key];
  if (!node.IsScalar()) fail_at(node, key, "expected ", expected);
  T value{};
  if (!parse_number(node.Scalar(), value))
    fail_at(node, key, "expected ", expected, ", found ", quoted(node.Scalar()));
  return value;
}

bool Fields::flag(const char* key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const YAML::Node node = map_[key];
  bool value = false;
  if (!node.IsScalar()) fail_at(node, key, "expected true or false");
  if (!YAML::convert<bool>::decode(node, value))
    fail_at(node, key, "expected true or false, found ", quoted(node.Scalar()));
  return value;
}

double Fields::number(const char* key, double low, double high, double otherwise) const {
  if (!has(key)) return otherwise;
  const double value = scalar<double>(key, "a number");
  if (!(value >= low && value <= high))
    fail_at(map_[key], key, "expected ", low, " to ", high, ", found ", value);
  return value;
}

int Fields::integer(const char* key, int low, int high, int otherwise) const {
  if (!has(key)) return otherwise;
  const long long value = scalar<long long>(key, "a whole number");
  if (value < low || value > high) fail_at(map_[key], key, "expected ", low, " to ", high, ", found ", value);
  return static_cast<int>(value);
}

std::uint64_t Fields::hex64(const char* key) const {
  const std::string value = text(key, 16, true);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number, 16);
  if (error != std::errc() || end != value.data() + value.size())
    fail_at(map_[key], key, "expected up to 16 hexadecimal digits, found ", quoted(value));
  return number;
}

}  // namespace qwen::tasks
