#include "templates/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/utf8.h"
#include "templates/text.h"

namespace qwen::templates {
namespace {

bool is_digit_char(char c) {
  return c >= '0' && c <= '9';
}
bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Line ends become "\n"; one at the very end is dropped.
std::string normalize_lines(std::string_view source, bool drop_last) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (drop_last && out.ends_with('\n')) out.pop_back();
  return out;
}

std::size_t end_of_spaces(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Utf8Step step = decode_utf8(text.substr(at));
    if (!is_space(static_cast<char32_t>(step.code_point))) break;
    at += static_cast<std::size_t>(step.length);
  }
  return at;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<LexToken> run() {
    while (at_ < source_.size()) text_until_tag();
    add(TokenKind::end, "", at_);
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool next_is(std::string_view text) const { return rest().starts_with(text); }

  Place place_of(std::size_t at) {
    for (; scanned_ < at; ++scanned_) {
      const auto c = static_cast<unsigned char>(source_[scanned_]);
      if (c == '\n') {
        ++place_.line;
        place_.column = 1;
      } else if ((c & 0xC0) != 0x80) {
        ++place_.column;
      }
    }
    return place_;
  }
  void add(TokenKind kind, std::string text, std::size_t at) {
    tokens_.push_back({kind, std::move(text), place_of(at)});
  }
  template <class... Parts>
  [[noreturn]] void bad(std::size_t at, const Parts&... parts) {
    scanned_ = 0;  // `at` may lie before what has been scanned
    place_ = {};
    fail_syntax(place_of(at), parts...);
  }

  // Where a raw block begins at `at`: the end of its opening tag, else 0.
  std::size_t end_of_raw_tag(std::size_t at, std::string_view word) const {
    const std::string_view text = source_;
    std::size_t i = at + 2;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    i = end_of_spaces(text, i);
    if (!text.substr(i).starts_with(word)) return 0;
    i = end_of_spaces(text, i + word.size());
    if (text.substr(i).starts_with("-%}")) return end_of_spaces(text, i + 3);
    if (text.substr(i).starts_with("%}")) return i + 2;
    if (word == "endraw" && text.substr(i).starts_with("+%}")) return i + 3;
    return 0;
  }

  // Adds the text before the tag at `tag`, with the white space before the tag as the tag's sign says.
  void add_text(std::size_t begin, std::size_t tag, bool may_lstrip) {
    std::string_view text = std::string_view(source_).substr(begin, tag - begin);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign == '-') {
      while (!text.empty()) {  // Python's rstrip()
        std::size_t last = text.size() - 1;
        while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
        if (!is_space(static_cast<char32_t>(decode_utf8(text.substr(last)).code_point))) break;
        text = text.substr(0, last);
      }
    } else if (sign != '+' && may_lstrip) {
      const std::size_t line = text.rfind('\n') + 1;  // 0 without one
      if ((line > 0 || at_line_start_) && line < text.size() && end_of_spaces(text, line) == text.size())
        text = text.substr(0, line);
    }
    if (!text.empty()) add(TokenKind::data, std::string(text), begin);
  }

  void text_until_tag() {
    const std::size_t begin = at_;
    std::size_t tag = begin;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        add(TokenKind::data, source_.substr(begin), begin);
        at_ = source_.size();
        return;
      }
      const char next = source_[tag + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    const char kind = source_[tag + 1];
    add_text(begin, tag, kind != '{');
    if (kind == '#') return comment(tag);
    if (kind == '%') {
      if (const std::size_t raw = end_of_raw_tag(tag, "raw")) return raw_block(tag, raw);
    }
    at_ = tag + 2;
    if (next_is("-") || next_is("+")) ++at_;
    if (kind == '%')
      add(TokenKind::block_begin, "{%", tag);
    else
      add(TokenKind::variable_begin, "{{", tag);
    expression(kind == '%', tag);
  }

  // After a tag's end: "-" drops all white space, and a block's tag one line end.
  void after_tag(bool strip_all, bool trim_line) {
    const std::size_t before = at_;
    if (strip_all)
      at_ = end_of_spaces(source_, at_);
    else if (trim_line && next_is("\n"))
      ++at_;
    at_line_start_ = at_ > before && source_[at_ - 1] == '\n';
  }

  void comment(std::size_t tag) {
    std::size_t begin = tag + 2;  // after the sign, so that the one of "{#-#}" belongs to the beginning
    if (begin < source_.size() && (source_[begin] == '-' || source_[begin] == '+')) ++begin;
    const std::size_t end = source_.find("#}", begin);
    if (end == std::string::npos) bad(tag, "a comment without its end \"#}\"");
    at_ = end + 2;
    const char sign = end > begin ? source_[end - 1] : '\0';
    after_tag(sign == '-', sign != '+');
  }

  void raw_block(std::size_t tag, std::size_t begin) {
    at_line_start_ = source_[begin - 1] == '\n';
    for (std::size_t end = source_.find("{%", begin); end != std::string::npos;
         end = source_.find("{%", end + 1)) {
      const std::size_t after = end_of_raw_tag(end, "endraw");
      if (after == 0) continue;
      place_of(begin);
      add_text(begin, end, true);
      at_ = after;
      const bool plain = source_[after - 1] == '}' && source_[after - 3] != '+' && source_[after - 3] != '-';
      at_line_start_ = source_[after - 1] == '\n';
      if (plain) after_tag(false, true);
      return;
    }
    bad(tag, "a raw block without {% endraw %}");
  }

  void expression(bool is_block, std::size_t tag) {
    std::string open;  // brackets
    for (;;) {
      if (open.empty() && end_of_tag(is_block)) return;
      const std::size_t spaces = end_of_spaces(source_, at_);
      if (spaces != at_) {
        at_ = spaces;
        continue;
      }
      if (at_ >= source_.size()) bad(tag, "a tag without its end ", is_block ? "\"%}\"" : "\"}}\"");
      const char c = source_[at_];
      if (is_digit_char(c)) {
        number();
      } else if (c == '"' || c == '\'') {
        string();
      } else if (is_ascii_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80) {
        name();
      } else {
        symbol(open);
      }
    }
  }

  bool end_of_tag(bool is_block) {
    const std::string_view end = is_block ? "%}" : "}}";
    const bool minus = next_is(is_block ? "-%}" : "-}}"), plus = is_block && next_is("+%}");
    if (!minus && !plus && !next_is(end)) return false;
    add(is_block ? TokenKind::block_end : TokenKind::variable_end, std::string(end), at_);
    at_ += (minus || plus) ? 3 : 2;
    after_tag(minus, is_block && !plus);
    return true;
  }

  void name() {
    const std::size_t begin = at_;
    while (at_ < source_.size()) {
      const Utf8Step step = decode_utf8(rest());
      const auto c = static_cast<char32_t>(step.code_point);
      if (!(c == '_' || is_letter(c) || is_numeric_category(c))) break;
      at_ += static_cast<std::size_t>(step.length);
    }
    if (at_ == begin) bad(begin, "unexpected character ", quoted(rest().substr(0, 4)));
    add(TokenKind::name, source_.substr(begin, at_ - begin), begin);
  }

  // Digits with single underscores between them, from `i`; the end of them.
  std::size_t end_of_digits(std::size_t i) const {
    const auto digit = [&](std::size_t k) { return k < source_.size() && is_digit_char(source_[k]); };
    while (digit(i) || (source_[i] == '_' && digit(i + 1))) {
      ++i;
      if (i >= source_.size()) break;
    }
    return i;
  }

  void number() {
    const std::size_t begin = at_;
    const auto take = [&](std::size_t end) {
      std::string digits = source_.substr(begin, end - begin);
      std::erase(digits, '_');
      at_ = end;
      return digits;
    };
    const bool after_dot = begin > 0 && source_[begin - 1] == '.';  // a.1: no float
    const std::size_t whole = end_of_digits(begin);
    std::size_t end = whole;
    const auto digit = [&](std::size_t k) { return k < source_.size() && is_digit_char(source_[k]); };
    if (end < source_.size() && source_[end] == '.' && digit(end + 1)) end = end_of_digits(end + 1);
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      std::size_t power = end + 1;
      if (power < source_.size() && (source_[power] == '+' || source_[power] == '-')) ++power;
      if (digit(power)) end = end_of_digits(power);
    }
    if (!after_dot && end != whole) return add(TokenKind::real, take(end), begin);
    static constexpr struct {
      char letter;
      int base;
    } kBases[] = {{'x', 16}, {'o', 8}, {'b', 2}};
    if (source_[begin] == '0' && begin + 1 < source_.size())
      for (const auto& [letter, base] : kBases)
        if ((source_[begin + 1] | 0x20) == letter) return based_number(base);
    if (source_[begin] == '0') {  // of zeros only: "007" is not a number
      std::size_t zeros = begin;
      while (zeros < whole && (source_[zeros] == '0' || source_[zeros] == '_')) ++zeros;
      return add(TokenKind::integer, take(zeros), begin);
    }
    add(TokenKind::integer, take(whole), begin);
  }

  void based_number(int base) {
    const std::size_t begin = at_;
    std::string digits;
    std::size_t i = begin + 2;
    for (; i < source_.size(); ++i) {
      const char c = source_[i];
      if (c == '_') continue;
      const int value = is_digit_char(c) ? c - '0' : is_ascii_letter(c) ? (c | 0x20) - 'a' + 10 : 99;
      if (value >= base) break;
      digits += c;
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || error != std::errc()) bad(begin, "a number that is empty or exceeds 64 bits");
    at_ = i;
    add(TokenKind::integer, std::to_string(value), begin);
  }

  void symbol(std::string& open) {
    static constexpr std::array<std::string_view, 8> kLong = {"//", "**", "==", "!=", ">=", "<=", "", ""};
    for (const std::string_view text : kLong) {
      if (text.empty() || !next_is(text)) continue;
      add(TokenKind::symbol, std::string(text), at_);
      at_ += 2;
      return;
    }
    const char c = source_[at_];
    static constexpr std::string_view kSymbols = "+-/*%~[](){}><=.:|,;";
    if (kSymbols.find(c) == std::string_view::npos)
      bad(at_, "unexpected character ", quoted(rest().substr(0, 1)));
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) bad(at_, "unexpected '", c, "'");
      if (open.back() != c) bad(at_, "unexpected '", c, "', expected '", open.back(), "'");
      open.pop_back();
    }
    add(TokenKind::symbol, std::string(1, c), at_);
    ++at_;
  }

  void string() {
    const std::size_t begin = at_;
    const char quote = source_[at_++];
    std::string value;
    for (;;) {
      if (at_ >= source_.size()) bad(begin, "a string without its end");
      const char c = source_[at_];
      if (c == quote) break;
      if (c != '\\') {
        value += c;
        ++at_;
        continue;
      }
      ++at_;
      if (at_ >= source_.size()) bad(begin, "a string without its end");
      escape(value);
    }
    ++at_;
    add(TokenKind::string, std::move(value), begin);
  }

  // Python's "unicode-escape", which Jinja applies to the text with all non-ASCII characters escaped.
  void escape(std::string& value) {
    const char c = source_[at_];
    static constexpr std::string_view kFrom = "abfnrtv\\'\"", kTo = "\a\b\f\n\r\t\v\\'\"";
    if (const std::size_t i = kFrom.find(c); i != std::string_view::npos) {
      value += kTo[i];
      ++at_;
    } else if (c == '\n') {
      ++at_;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      hex_escape(value, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    } else if (c >= '0' && c <= '7') {
      int code = 0;
      for (int n = 0; n < 3 && at_ < source_.size() && source_[at_] >= '0' && source_[at_] <= '7'; ++n)
        code = code * 8 + (source_[at_++] - '0');
      append_utf8(value, code);
    } else if (c == 'N') {
      bad(at_, "a character by its name (\\N) is not supported");
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      // A backslash before a character that Jinja has escaped: the escape's own text is left.
      const Utf8Step step = decode_utf8(rest());
      const auto code = static_cast<std::uint32_t>(step.code_point);
      char text[16];
      std::snprintf(text, sizeof text,
                    code < 0x100     ? "\\x%02x"
                    : code < 0x10000 ? "\\u%04x"
                                     : "\\U%08x",
                    code);
      value += text;
      at_ += static_cast<std::size_t>(step.length);
    } else {
      value += '\\';
      value += c;
      ++at_;
    }
  }

  void hex_escape(std::string& value, std::size_t digits) {
    std::uint32_t code = 0;
    const std::string_view text = rest().substr(1, digits);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
    if (error != std::errc() || text.size() != digits || end != text.data() + digits || code > 0x10FFFF ||
        (code >= 0xD800 && code < 0xE000))
      bad(at_, "not a character's escape: \\", quoted(rest().substr(0, digits + 1)));
    append_utf8(value, static_cast<std::int32_t>(code));
    at_ += digits + 1;
  }

  std::string source_;
  std::size_t at_ = 0;
  bool at_line_start_ = true;  // the text from `at_` on begins a line
  std::vector<LexToken> tokens_;
  std::size_t scanned_ = 0;  // place_ is that of this byte
  Place place_;
};

}  // namespace

std::vector<LexToken> tokenize(std::string_view source) {
  return Lexer(normalize_lines(source, true)).run();
}

std::string describe(const LexToken& token) {
  switch (token.kind) {
    case TokenKind::data: return "text";
    case TokenKind::end: return "the end of the template";
    case TokenKind::string: return "a string";
    default: return qwen::quoted(token.text);
  }
}

}  // namespace qwen::templates
