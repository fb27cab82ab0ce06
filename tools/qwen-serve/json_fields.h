// Reading JSON from outside: bounded, typed, and nothing passed over.
#pragma once
#include <cstdint>
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

// The object that a request body is. ApiError 400 for what is no JSON, no object, or nested too deeply.
InputJson parse_body(std::string_view body);

// The fields of an object. Each getter gives no value where the field is absent or null, and throws ApiError
// 400 that names the field where its value is of another type or out of range.
class Fields {
 public:
  explicit Fields(const InputJson& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  const InputJson* find(const char* name);  // nullptr where absent or null
  std::optional<std::string> text(const char* name);
  std::optional<bool> flag(const char* name);
  std::optional<std::int64_t> integer(const char* name, std::int64_t low, std::int64_t high);
  std::optional<double> number(const char* name, double low, double high);
  // A string, or a list of at most `count` strings; none empty.
  std::vector<std::string> texts(const char* name, std::size_t count);
  // A field that this server does not implement: refused by name, unless its value asks for nothing
  // ("harmless": null, false, "" and empty lists always are).
  void refuse(const char* name, const InputJson& harmless = nullptr);
  // Throws for the first field that nobody has asked for.
  void finish() const;
  // "messages[3].role"
  std::string full_name(std::string_view name) const;

 private:
  [[noreturn]] void wrong(const char* name, const std::string& expected, const InputJson& found) const;

  const InputJson& object_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
};

// "a string", "a list": for messages.
std::string describe(const InputJson& value);

}  // namespace qwen_serve
