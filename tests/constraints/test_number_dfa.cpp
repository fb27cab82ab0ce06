#include "constraints/number_dfa.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

using namespace qwen::constraints;

namespace {

bool accepts(const NumberDfa& dfa, const std::string& text) {
  if (dfa.empty()) return false;
  std::int32_t state = 0;
  for (const char c : text) {
    const int symbol = number_symbol(static_cast<unsigned char>(c));
    if (symbol < 0) return false;
    state = dfa.states[static_cast<std::size_t>(state)].next[static_cast<std::size_t>(symbol)];
    if (state < 0) return false;
  }
  return dfa.states[static_cast<std::size_t>(state)].accepts;
}

// A number of thousandths, written with up to `digits` digits after the point.
std::string text_of(int thousandths, int digits) {
  std::string text = thousandths < 0 ? "-" : "";
  const int n = std::abs(thousandths);
  text += std::to_string(n / 1000);
  std::string fraction = std::to_string(1000 + n % 1000).substr(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  while (static_cast<int>(fraction.size()) < digits) fraction += '0';
  return fraction.empty() ? text : text + "." + fraction;
}

}  // namespace

TEST_CASE("number automata agree with arithmetic", "[constraints]") {
  std::mt19937 random(3);
  const auto value = [&] {
    const int scale = std::vector<int>{1, 10, 100, 1000}[random() % 4];
    return static_cast<int>(random() % 24'001 - 12'000) / scale * scale;
  };
  for (int round = 0; round < 300; ++round) {
    NumberRule rule;
    const int low = value(), high = value();
    const int multiple =
        std::vector<int>{1, 5, 10, 25, 50, 100, 125, 250, 500, 1000, 2000, 3000, 7000}[random() % 13];
    if (random() % 2) rule.low = parse_decimal(text_of(low, 0), "low"), rule.low_open = random() % 2;
    if (random() % 2) rule.high = parse_decimal(text_of(high, 0), "high"), rule.high_open = random() % 2;
    if (random() % 3 == 0) rule.multiples.push_back(parse_decimal(text_of(multiple, 0), "multiple"));
    rule.integer = random() % 3 == 0;
    CompileBudget budget;
    const NumberDfa dfa = number_dfa(rule, budget);
    const NumberDfa rest = subtract(number_dfa({}, budget), dfa, budget);
    for (int i = 0; i < 400; ++i) {
      const int n = random() % 3 == 0 ? (random() % 2 ? low : high) : value();
      const bool expected = (!rule.low || (rule.low_open ? n > low : n >= low)) &&
                            (!rule.high || (rule.high_open ? n < high : n <= high)) &&
                            (rule.multiples.empty() || n % multiple == 0) && (!rule.integer || n % 1000 == 0);
      const std::string text = text_of(n, static_cast<int>(random() % 5));
      CAPTURE(round, text, low, high, multiple, rule.integer, rule.low_open, rule.high_open,
              rule.low.has_value(), rule.high.has_value(), rule.multiples.size());
      REQUIRE(accepts(dfa, text) == expected);
      REQUIRE(accepts(rest, text) == !expected);
    }
  }
}

TEST_CASE("decimals are exact", "[constraints]") {
  const auto decimal = [](const char* text) { return parse_decimal(text, "test"); };
  CHECK(decimal("1.0") == decimal("1"));
  CHECK(decimal("-0.0") == decimal("0"));
  CHECK(decimal("1e2") == decimal("100"));
  CHECK(decimal("12.50e-1") == decimal("1.25"));
  CHECK(decimal("0.00012E4") == decimal("1.2"));
  CHECK((compare(decimal("9007199254740993"), decimal("9007199254740992")) > 0));
  CHECK((compare(decimal("-2"), decimal("-1.5")) < 0));
  CHECK((compare(decimal("0.1"), decimal("0.09999999999999999999999")) > 0));
  CHECK(decimal("0e99999999999").is_zero());
}
