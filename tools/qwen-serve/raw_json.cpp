#include "qwen-serve/raw_json.h"

#include <nlohmann/json.hpp>
#include <string>

namespace qwen_serve {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::size_t skip_space(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(kSpace, at), text.size());
}

std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return std::min(at + 1, text.size());
}

// Behind the value that begins at `at`.
std::size_t end_of_value(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '}' || c == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 0 && (c == ',' || kSpace.find(c) != std::string_view::npos)) {
      return at;
    }
    ++at;
  }
  return at;
}

}  // namespace

RawJson RawJson::member(std::string_view name) const {
  RawJson found{{}};
  std::size_t at = skip_space(text_, 0);
  if (at == text_.size() || text_[at] != '{') return found;
  for (at = skip_space(text_, at + 1); at < text_.size() && text_[at] == '"';
       at = skip_space(text_, at + 1)) {
    const std::size_t key_end = end_of_string(text_, at);
    const bool same = nlohmann::json::parse(text_.substr(at, key_end - at)).get<std::string>() == name;
    at = skip_space(text_, skip_space(text_, key_end) + 1);  // behind the colon
    const std::size_t end = end_of_value(text_, at);
    if (same) found = RawJson(text_.substr(at, end - at));
    at = skip_space(text_, end);  // a comma, or the end
  }
  return found;
}

RawJson RawJson::element(std::size_t index) const {
  std::size_t at = skip_space(text_, 0);
  if (at == text_.size() || text_[at] != '[') return RawJson({});
  for (at = skip_space(text_, at + 1); at < text_.size() && text_[at] != ']';
       at = skip_space(text_, at + 1)) {
    const std::size_t end = end_of_value(text_, at);
    if (index-- == 0) return RawJson(text_.substr(at, end - at));
    at = skip_space(text_, end);
  }
  return RawJson({});
}

}  // namespace qwen_serve
