#include "formats/json_reader.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace qwen::formats {
namespace {

// Deeper than any of the family's files; keeps the recursion of skip() and of callers small.
constexpr int kMaxDepth = 64;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string JsonReader::where() const {
  const auto before = text_.substr(0, position_);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto start = before.rfind('\n');
  const std::size_t column = start == std::string_view::npos ? before.size() + 1 : before.size() - start;
  return cat(file_, ":", line, ":", column, ": ");
}

void JsonReader::white_space() noexcept {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++position_;
  }
}

void JsonReader::expected(const char* what) {
  if (position_ >= text_.size()) bad("expected ", what, ", found the end of the file");
  bad("expected ", what, ", found ", quoted(text_.substr(position_, 12)));
}

JsonReader::Kind JsonReader::peek() {
  white_space();
  if (position_ >= text_.size()) expected("a value");
  switch (text_[position_]) {
    case '{': return Kind::object;
    case '[': return Kind::array;
    case '"': return Kind::string;
    case 't':
    case 'f': return Kind::boolean;
    case 'n': return Kind::null;
    default:
      if (text_[position_] != '-' && !is_digit(text_[position_])) expected("a value");
      return Kind::number;
  }
}

void JsonReader::open(char bracket, const char* what) {
  white_space();
  if (position_ >= text_.size() || text_[position_] != bracket) expected(what);
  if (++depth_ > kMaxDepth) bad("nested deeper than ", kMaxDepth, " levels");
  ++position_;
}

bool JsonReader::close(char bracket) {
  white_space();
  if (position_ >= text_.size() || text_[position_] != bracket) return false;
  ++position_;
  return true;
}

bool JsonReader::next(char bracket) {
  if (close(bracket)) return false;
  if (!close(',')) expected(bracket == '}' ? "',' or '}'" : "',' or ']'");
  return true;
}

std::string_view JsonReader::key(std::string& storage) {
  white_space();
  if (position_ >= text_.size() || text_[position_] != '"') expected("a key");
  const auto name = quoted_text(storage);
  white_space();
  if (position_ >= text_.size() || text_[position_] != ':') expected("':'");
  ++position_;
  return name;
}

std::string_view JsonReader::string() {
  white_space();
  if (position_ >= text_.size() || text_[position_] != '"') expected("a string");
  return quoted_text(storage_);
}

std::string_view JsonReader::quoted_text(std::string& storage) {
  std::size_t begin = ++position_;  // of the piece that is not copied yet
  bool copied = false;
  for (;;) {
    if (position_ >= text_.size()) bad("a string without end");
    const auto c = static_cast<unsigned char>(text_[position_]);
    if (c == '"') {
      const auto piece = text_.substr(begin, position_++ - begin);
      if (!copied) return piece;
      storage += piece;
      return storage;
    }
    if (c == '\\') {
      if (!copied) storage.clear();
      copied = true;
      storage += text_.substr(begin, position_ - begin);
      escape(storage);
      begin = position_;
    } else if (c >= 0x80) {
      const auto step = decode_utf8(text_.substr(position_));
      if (step.code_point < 0) bad("invalid UTF-8 in a string");
      position_ += static_cast<std::size_t>(step.length);
    } else {
      if (c < 0x20) bad("a control character in a string");
      ++position_;
    }
  }
}

std::uint32_t JsonReader::hex4() {
  std::uint32_t value = 0;
  const auto digits = text_.substr(position_, 4);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + 4) bad("expected four hexadecimal digits after \\u");
  position_ += 4;
  return value;
}

void JsonReader::escape(std::string& out) {
  ++position_;
  const char c = position_ < text_.size() ? text_[position_] : '\0';
  static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
  if (const auto i = kFrom.find(c); i != std::string_view::npos) {
    out += kTo[i];
    ++position_;
    return;
  }
  if (c != 'u') bad("not an escape sequence");
  ++position_;
  std::uint32_t code = hex4();
  if (code >= 0xd800 && code < 0xdc00 && text_.substr(position_, 2) == "\\u") {
    position_ += 2;
    const std::uint32_t low = hex4();
    if (low < 0xdc00 || low > 0xdfff) bad("half of a surrogate pair in a string");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xd800 && code <= 0xdfff) {
    bad("half of a surrogate pair in a string");
  }
  append_utf8(out, static_cast<std::int32_t>(code));
}

std::string_view JsonReader::number(bool& is_integer) {
  white_space();
  const std::size_t begin = position_;
  const auto at = [&](char c) { return position_ < text_.size() && text_[position_] == c; };
  const auto digits = [&] {
    if (position_ >= text_.size() || !is_digit(text_[position_])) expected("a number");
    while (position_ < text_.size() && is_digit(text_[position_])) ++position_;
  };
  if (at('-')) ++position_;
  if (at('0')) {
    ++position_;
  } else {
    digits();
  }
  is_integer = true;
  if (at('.')) {
    is_integer = false;
    ++position_;
    digits();
  }
  if (at('e') || at('E')) {
    is_integer = false;
    ++position_;
    if (at('+') || at('-')) ++position_;
    digits();
  }
  return text_.substr(begin, position_ - begin);
}

std::int64_t JsonReader::integer(std::int64_t low, std::int64_t high) {
  bool is_integer = false;
  const auto digits = number(is_integer);
  std::int64_t value = 0;
  if (!is_integer) bad("expected an integer, found ", quoted(digits));
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || value < low || value > high)
    bad("expected an integer from ", low, " to ", high, ", found ", quoted(digits));
  return value;
}

double JsonReader::real() {
  bool is_integer = false;
  const auto digits = number(is_integer);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc()) bad("the number ", quoted(digits), " is out of range");
  return value;
}

void JsonReader::literal(std::string_view word) {
  if (text_.substr(position_, word.size()) != word) expected("a value");
  position_ += word.size();
}

bool JsonReader::boolean() {
  white_space();
  const bool yes = position_ < text_.size() && text_[position_] == 't';
  if (!yes && (position_ >= text_.size() || text_[position_] != 'f')) expected("true or false");
  literal(yes ? "true" : "false");
  return yes;
}

bool JsonReader::null() {
  white_space();
  if (position_ >= text_.size() || text_[position_] != 'n') return false;
  literal("null");
  return true;
}

void JsonReader::skip() {
  switch (peek()) {
    case Kind::object: object([this](std::string_view) { skip(); }); break;
    case Kind::array: array([this] { skip(); }); break;
    case Kind::string: string(); break;
    case Kind::number: {
      bool ignored;
      number(ignored);
      break;
    }
    case Kind::boolean: boolean(); break;
    case Kind::null: null(); break;
  }
}

void JsonReader::finish() {
  white_space();
  if (position_ != text_.size()) expected("the end of the file");
}

}  // namespace qwen::formats
