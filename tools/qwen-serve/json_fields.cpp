#include "qwen-serve/json_fields.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace qwen_serve {
namespace {

constexpr std::size_t kQuoted = 60;  // bytes of a value or name that a message repeats

std::string in_quotes(std::string_view text) {
  std::string head(text.substr(0, kQuoted));
  if (head.size() < text.size()) head += "...";
  return InputJson(head).dump(-1, ' ', false, InputJson::error_handler_t::replace);
}

std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", value);
  return text;
}

}  // namespace

std::string describe(const InputJson& value) {
  switch (value.type()) {
    case InputJson::value_t::null: return "null";
    case InputJson::value_t::object: return "an object";
    case InputJson::value_t::array: return "a list";
    case InputJson::value_t::string: return "the string " + in_quotes(value.get_ref<const std::string&>());
    case InputJson::value_t::boolean: return value.get<bool>() ? "true" : "false";
    default: return in_quotes(value.dump());
  }
}

InputJson parse_body(std::string_view body) {
  if (body.empty()) throw ApiError(400, "invalid_json", "empty body; expected a JSON object");
  const auto check_depth = [](int depth, InputJson::parse_event_t, InputJson&) {
    if (depth > kMaxJsonDepth)
      throw ApiError(400, "invalid_json",
                     "the JSON is nested more than " + std::to_string(kMaxJsonDepth) + " deep");
    return true;
  };
  InputJson json;
  try {
    json = InputJson::parse(body, check_depth);
  } catch (const InputJson::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    std::string reason = error.what();
    if (const auto at = reason.find("] "); at != std::string::npos) reason.erase(0, at + 2);
    if (reason.size() > 200) reason.resize(200);
    for (char& c : reason)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) c = '?';
    throw ApiError(400, "invalid_json", "the request's body is not JSON: " + reason);
  }
  if (!json.is_object())
    throw ApiError(400, "invalid_json", "the request's body must be a JSON object, found " + describe(json));
  return json;
}

std::string Fields::full_name(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void Fields::wrong(const char* name, const std::string& expected, const InputJson& found) const {
  throw bad_field(full_name(name), full_name(name) + ": expected " + expected + ", found " + describe(found));
}

const InputJson* Fields::find(const char* name) {
  known_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> Fields::text(const char* name) {
  const InputJson* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) wrong(name, "a string", *value);
  return value->get<std::string>();
}

std::optional<bool> Fields::flag(const char* name) {
  const InputJson* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) wrong(name, "true or false", *value);
  return value->get<bool>();
}

std::optional<std::int64_t> Fields::integer(const char* name, std::int64_t low, std::int64_t high) {
  const InputJson* value = find(name);
  if (!value) return std::nullopt;
  const std::string expected = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  if (value->is_number_float()) {  // 8.0 is an integer
    const double number = value->get<double>();
    if (number != std::floor(number) || std::abs(number) > 9007199254740992.0 ||
        number < static_cast<double>(low) || number > static_cast<double>(high))
      wrong(name, expected, *value);
    return static_cast<std::int64_t>(number);
  }
  if (!value->is_number_integer()) wrong(name, expected, *value);
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
    wrong(name, expected, *value);
  const auto number = value->get<std::int64_t>();
  if (number < low || number > high) wrong(name, expected, *value);
  return number;
}

std::optional<double> Fields::number(const char* name, double low, double high) {
  const InputJson* value = find(name);
  if (!value) return std::nullopt;
  const std::string expected = "a number from " + show(low) + " to " + show(high);
  if (!value->is_number()) wrong(name, expected, *value);
  const double number = value->get<double>();
  if (!(number >= low && number <= high)) wrong(name, expected, *value);
  return number;
}

std::vector<std::string> Fields::texts(const char* name, std::size_t count) {
  const InputJson* value = find(name);
  if (!value) return {};
  const std::string expected = "a string or a list of at most " + std::to_string(count) + " strings";
  std::vector<std::string> out;
  if (value->is_string()) {
    out.push_back(value->get<std::string>());
  } else if (value->is_array()) {
    if (value->size() > count) wrong(name, expected, *value);
    for (const InputJson& item : *value) {
      if (!item.is_string()) wrong(name, expected, item);
      out.push_back(item.get<std::string>());
    }
  } else {
    wrong(name, expected, *value);
  }
  return out;
}

void Fields::refuse(const char* name, std::initializer_list<InputJson> harmless) {
  const InputJson* value = find(name);
  if (!value || std::find(harmless.begin(), harmless.end(), *value) != harmless.end()) return;
  if (value->is_boolean() && !value->get<bool>()) return;
  if ((value->is_array() || value->is_object()) && value->empty()) return;
  if (value->is_string() && value->get_ref<const std::string&>().empty()) return;
  throw bad_field(full_name(name), full_name(name) + " is not supported by this server", "unsupported_field");
}

void Fields::ignore(std::initializer_list<const char*> names) {
  for (const char* name : names) known_.insert(name);
}

void Fields::finish() const {
  for (const auto& [name, value] : object_.items()) {
    if (known_.find(name) != known_.end()) continue;
    const std::string head = name.size() > kQuoted ? name.substr(0, kQuoted) : name;
    throw bad_field(full_name(head), "unknown field " + in_quotes(full_name(name)), "unknown_field");
  }
}

}  // namespace qwen_serve
