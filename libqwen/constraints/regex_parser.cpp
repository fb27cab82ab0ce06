#include "constraints/regex_parser.h"

#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"
#include "constraints/char_dfa.h"

namespace qwen::constraints {
namespace {

constexpr std::size_t kMaxPattern = 4096;  // bytes
constexpr int kMaxGroupDepth = 100;        // of groups
constexpr std::uint32_t kMaxRepeat = 10'000;

using Ranges = std::vector<CodePointRange>;

Ranges normalized(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
  Ranges out;
  for (const CodePointRange& range : ranges) {
    if (!out.empty() && range.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, range.high);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

Ranges complement(const Ranges& ranges) {
  Ranges out;
  std::uint32_t next = 0;
  for (const CodePointRange& range : normalized(ranges)) {
    if (range.low > next) out.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kMaxCodePoint) out.push_back({next, kMaxCodePoint});
  return out;
}

const Ranges kDigits{{'0', '9'}};
const Ranges kWord{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
// White space and line ends of ECMA-262.
const Ranges kSpace{{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                    {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const Ranges kLineEnds{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : pattern_(pattern) {
    if (pattern.size() > kMaxPattern)
      fail(ErrorCode::unsupported, "pattern: ", pattern.size(), " bytes, expected at most ", kMaxPattern);
    if (!is_valid_utf8(pattern)) fail(ErrorCode::bad_format, "pattern: invalid UTF-8");
  }

  RegexNode parse() {
    RegexNode root = alternatives();
    if (!done()) bad("unmatched ')'");
    return root;
  }

 private:
  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorCode::bad_format, "pattern ", quoted(pattern_), ", byte ", at_ + 1, ": ", parts...);
  }
  template <class... Parts>
  [[noreturn]] void unsupported(const Parts&... parts) const {
    fail(ErrorCode::unsupported, "pattern ", quoted(pattern_), ", byte ", at_ + 1, ": ", parts...,
         " not supported");
  }

  bool done() const { return at_ >= pattern_.size(); }
  char peek() const { return done() ? '\0' : pattern_[at_]; }
  bool take(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  std::uint32_t character() {
    const Utf8Step step = decode_utf8(pattern_.substr(at_));
    at_ += static_cast<std::size_t>(step.length);
    return static_cast<std::uint32_t>(step.code_point);
  }

  RegexNode alternatives() {
    if (++depth_ > kMaxGroupDepth) bad("groups nested deeper than ", kMaxGroupDepth);
    RegexNode node;
    node.kind = RegexNode::Kind::alternatives;
    do {
      node.children.push_back(sequence());
    } while (take("|"));
    --depth_;
    return node.children.size() == 1 ? std::move(node.children.front()) : std::move(node);
  }

  RegexNode sequence() {
    RegexNode node;
    while (!done() && peek() != '|' && peek() != ')') node.children.push_back(term());
    return node;
  }

  RegexNode term() {
    if (take("^")) return assertion(RegexNode::Kind::line_start);
    if (take("$")) return assertion(RegexNode::Kind::line_end);
    return quantified(atom());
  }

  RegexNode assertion(RegexNode::Kind kind) {
    if (!done() && std::string_view("*+?{").find(peek()) != std::string_view::npos)
      bad("a quantifier after an anchor");
    RegexNode node;
    node.kind = kind;
    return node;
  }

  RegexNode set(Ranges ranges) {
    RegexNode node;
    node.kind = RegexNode::Kind::characters;
    node.characters = normalized(std::move(ranges));
    return node;
  }

  RegexNode atom() {
    switch (peek()) {
      case '(': return group();
      case '[': return character_class();
      case '.': ++at_; return set(complement(kLineEnds));
      case '\\': {
        ++at_;
        Ranges ranges;
        if (class_escape(ranges)) return set(std::move(ranges));
        const std::uint32_t c = escape(false);
        return set({{c, c}});
      }
      case '*':
      case '+':
      case '?':
      case '{': bad("nothing to repeat");
      case ']':
      case '}': bad("unmatched '", peek(), "'");
      default: {
        const std::uint32_t c = character();
        return set({{c, c}});
      }
    }
  }

  RegexNode group() {
    ++at_;
    if (take("?")) {
      if (take("=") || take("!") || take("<=") || take("<!")) unsupported("look-around is");
      if (take("<")) {
        const std::size_t end = pattern_.find('>', at_);
        if (end == std::string_view::npos) bad("a group name without '>'");
        at_ = end + 1;
      } else if (!take(":")) {
        unsupported("this kind of group is");
      }
    }
    RegexNode node = alternatives();
    if (!take(")")) bad("missing ')'");
    return node;
  }

  bool number(std::uint32_t& value) {
    const std::size_t begin = at_;
    value = 0;
    while (!done() && peek() >= '0' && peek() <= '9') {
      value = std::min<std::uint32_t>(value * 10 + static_cast<std::uint32_t>(peek() - '0'), 1'000'000);
      ++at_;
    }
    return at_ > begin;
  }

  RegexNode quantified(RegexNode node) {
    std::uint32_t min = 0, max = 0;
    if (take("*")) {
      min = 0, max = kUnlimited;
    } else if (take("+")) {
      min = 1, max = kUnlimited;
    } else if (take("?")) {
      min = 0, max = 1;
    } else if (take("{")) {
      if (!number(min)) bad("expected a number after '{'");
      max = min;
      if (take(",") && !number(max)) max = kUnlimited;
      if (!take("}")) bad("missing '}'");
      if (max < min) bad("the maximum is below the minimum");
      if (min > kMaxRepeat || (max != kUnlimited && max > kMaxRepeat))
        unsupported("more than ", kMaxRepeat, " repetitions are");
    } else {
      return node;
    }
    take("?");  // lazy: the same strings
    RegexNode repeat;
    repeat.kind = RegexNode::Kind::repeat;
    repeat.min = min, repeat.max = max;
    repeat.children.push_back(std::move(node));
    return repeat;
  }

  // After a backslash: \d and the like.
  bool class_escape(Ranges& out) {
    const auto add = [&](const Ranges& ranges) {
      ++at_;
      out.insert(out.end(), ranges.begin(), ranges.end());
      return true;
    };
    switch (peek()) {
      case 'd': return add(kDigits);
      case 'D': return add(complement(kDigits));
      case 'w': return add(kWord);
      case 'W': return add(complement(kWord));
      case 's': return add(kSpace);
      case 'S': return add(complement(kSpace));
      case 'p':
      case 'P': unsupported("\\", peek(), " is");
      default: return false;
    }
  }

  std::uint32_t hex(std::size_t digits) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at_) {
      const std::size_t digit = std::string_view("0123456789abcdef").find(static_cast<char>(peek() | 0x20));
      if (done() || digit == std::string_view::npos) bad("expected a hexadecimal digit");
      value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  std::uint32_t unicode_escape() {
    if (take("{")) {
      const std::size_t end = pattern_.find('}', at_);
      if (end == std::string_view::npos || end == at_ || end - at_ > 6) bad("expected \\u{1 to 6 digits}");
      const std::uint32_t value = hex(end - at_);
      ++at_;
      if (value > kMaxCodePoint) bad("not a character");
      return value;
    }
    std::uint32_t value = hex(4);
    if (value >= 0xD800 && value < 0xDC00 && take("\\u")) {
      const std::uint32_t low = hex(4);
      if (low < 0xDC00 || low > 0xDFFF) bad("expected a low surrogate");
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
    }
    return value;
  }

  // After a backslash: one character.
  std::uint32_t escape(bool in_class) {
    if (done()) bad("'\\' at the end");
    const char c = peek();
    if (static_cast<unsigned char>(c) >= 0x80) bad("unknown escape");
    ++at_;
    switch (c) {
      case 't': return '\t';
      case 'n': return '\n';
      case 'v': return '\v';
      case 'f': return '\f';
      case 'r': return '\r';
      case 'x': return hex(2);
      case 'u': return unicode_escape();
      case 'c': {
        const char letter = static_cast<char>(peek() | 0x20);
        if (done() || letter < 'a' || letter > 'z') bad("expected a letter after \\c");
        return static_cast<std::uint32_t>(pattern_[at_++] & 0x1F);
      }
      case '0':
        if (peek() >= '0' && peek() <= '9') unsupported("an octal escape is");
        return 0;
      case 'b':
        if (in_class) return '\b';
        [[fallthrough]];
      case 'B': --at_; unsupported("\\", c, " is");
      case 'k': --at_; unsupported("a backreference is");
      default:
        if (c >= '1' && c <= '9') --at_, unsupported("a backreference is");
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) --at_, bad("unknown escape \\", c);
        return static_cast<std::uint32_t>(c);
    }
  }

  // One character of a class, or a class escape (false).
  bool class_character(Ranges& ranges, std::uint32_t& c) {
    if (!take("\\")) {
      c = character();
      return true;
    }
    if (class_escape(ranges)) return false;
    c = escape(true);
    return true;
  }

  RegexNode character_class() {
    ++at_;
    const bool negated = take("^");
    Ranges ranges;
    while (!take("]")) {
      if (done()) bad("missing ']'");
      std::uint32_t low = 0, high = 0;
      if (!class_character(ranges, low)) {
        if (peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']')
          bad("a range from a class");
        continue;
      }
      high = low;
      if (peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
        ++at_;
        if (!class_character(ranges, high)) bad("a range to a class");
        if (high < low) bad("a range in the wrong order");
      }
      ranges.push_back({low, high});
    }
    return set(negated ? complement(ranges) : std::move(ranges));
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

RegexNode parse_regex(std::string_view pattern) {
  return RegexParser(pattern).parse();
}

}  // namespace qwen::constraints
