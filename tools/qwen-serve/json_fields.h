// Reads JSON from clients: bounded, typed, and no unknown field is passed over.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "qwen-serve/api_error.h"

namespace qwen_serve {

// Request bodies: an ordered map, so that a body of very many keys stays cheap.
using InputJson = nlohmann::json;

inline constexpr int kMaxJsonDepth = 32;

// Parses a request body. Throws ApiError 400 if it is not JSON, not an object, or nested too deeply.
InputJson parse_body(std::string_view body);

// The fields of an object. A getter returns no value if the field is absent or null, and throws ApiError 400
// with the field's name if the value has another type or is out of range.
class Fields {
 public:
  explicit Fields(const InputJson& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  const InputJson* find(const char* name);  // nullptr if absent or null
  std::optional<std::string> text(const char* name);
  std::optional<bool> flag(const char* name);
  std::optional<std::int64_t> integer(const char* name, std::int64_t low, std::int64_t high);
  std::optional<double> number(const char* name, double low, double high);
  // A string, or a list of at most `count` strings.
  std::vector<std::string> texts(const char* name, std::size_t count);
  // Throws if a field that is not implemented has a value that asks for something: any but null, false, "",
  // an empty list or object, and those in `harmless`.
  void refuse(const char* name, std::initializer_list<InputJson> harmless = {});
  // Accepts fields that cannot change the result.
  void ignore(std::initializer_list<const char*> names);
  // Throws for the first field that was not read, refused or ignored.
  void finish() const;
  // "messages[3].role"
  std::string full_name(std::string_view name) const;

 private:
  [[noreturn]] void wrong(const char* name, const std::string& expected, const InputJson& found) const;

  const InputJson& object_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
};

// "the string \"x\"", "a list": for messages.
std::string describe(const InputJson& value);

}  // namespace qwen_serve
