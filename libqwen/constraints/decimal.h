// Exact decimal numbers, as JSON writes them.
#pragma once
#include <compare>
#include <string>
#include <string_view>

namespace qwen::constraints {

// (-1)^negative * integer.fraction. No leading zeros in `integer`, no trailing ones in `fraction`; zero is
// {false, "", ""}.
struct Decimal {
  bool negative = false;
  std::string integer, fraction;  // decimal digits

  bool is_zero() const noexcept { return integer.empty() && fraction.empty(); }
  bool is_integer() const noexcept { return fraction.empty(); }
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

// `text` is a valid JSON number. Throws unsupported, with `what` as the name of the number, if it has more than
// 400 digits when it is written without an exponent.
Decimal parse_decimal(std::string_view text, std::string_view what);

std::strong_ordering compare(const Decimal& a, const Decimal& b) noexcept;

}  // namespace qwen::constraints
