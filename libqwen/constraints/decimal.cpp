#include "constraints/decimal.h"

#include <charconv>

#include "base/fail.h"

namespace qwen::constraints {

Decimal parse_decimal(std::string_view text, std::string_view what) {
  constexpr long kMaxDigits = 400;
  const auto too_long = [&]() {
    fail(ErrorCode::unsupported, what, ": expected a number of at most ", kMaxDigits, " digits, found ",
         quoted(text, 40));
  };
  Decimal out;
  std::string_view rest = text;
  if (rest.starts_with('-')) out.negative = true, rest.remove_prefix(1);
  std::string digits;
  long point = 0;  // digits before the decimal point
  long exponent = 0;
  bool fraction = false;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '.') {
      fraction = true;
    } else if (c == 'e' || c == 'E') {
      std::string_view tail = rest.substr(i + 1);
      if (tail.starts_with('+')) tail.remove_prefix(1);
      const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
      if (error != std::errc{} || exponent > 1'000'000 || exponent < -1'000'000) {
        if (digits.find_first_not_of('0') != std::string::npos) too_long();
        exponent = 0;
      }
      break;
    } else {
      digits += c;
      if (!fraction) ++point;
    }
  }
  const std::size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return Decimal{};
  digits.erase(0, first);
  point += exponent - static_cast<long>(first);
  digits.erase(digits.find_last_not_of('0') + 1);
  const long count = static_cast<long>(digits.size());
  if (point > kMaxDigits || count - point > kMaxDigits) too_long();
  if (point >= count) {
    out.integer = digits + std::string(static_cast<std::size_t>(point - count), '0');
  } else if (point <= 0) {
    out.fraction = std::string(static_cast<std::size_t>(-point), '0') + digits;
  } else {
    out.integer = digits.substr(0, static_cast<std::size_t>(point));
    out.fraction = digits.substr(static_cast<std::size_t>(point));
  }
  return out;
}

std::strong_ordering compare(const Decimal& a, const Decimal& b) noexcept {
  if (a.negative != b.negative)
    return a.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  const auto magnitude = [](const Decimal& x, const Decimal& y) {
    if (x.integer.size() != y.integer.size()) return x.integer.size() <=> y.integer.size();
    const int order = x.integer.compare(y.integer);
    return (order != 0 ? order : x.fraction.compare(y.fraction)) <=> 0;
  };
  return a.negative ? magnitude(b, a) : magnitude(a, b);
}

}  // namespace qwen::constraints
