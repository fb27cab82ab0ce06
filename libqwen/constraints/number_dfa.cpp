#include "constraints/number_dfa.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <tuple>

namespace qwen::constraints {
namespace {

constexpr int kMinus = 10, kPoint = 11, kExponent = 12, kPlus = 13;
constexpr std::uint64_t kMaxModulus = 100'000;

// Removes states from which nothing is accepted.
NumberDfa trim(NumberDfa dfa) {
  const std::size_t n = dfa.states.size();
  std::vector<std::vector<std::int32_t>> before(n);
  std::vector<bool> live(n, false);
  std::vector<std::int32_t> work;
  for (std::size_t i = 0; i < n; ++i) {
    for (const std::int32_t next : dfa.states[i].next)
      if (next >= 0) before[static_cast<std::size_t>(next)].push_back(static_cast<std::int32_t>(i));
    if (dfa.states[i].accepts) live[i] = true, work.push_back(static_cast<std::int32_t>(i));
  }
  while (!work.empty()) {
    const auto state = static_cast<std::size_t>(work.back());
    work.pop_back();
    for (const std::int32_t i : before[state])
      if (!live[static_cast<std::size_t>(i)]) live[static_cast<std::size_t>(i)] = true, work.push_back(i);
  }
  if (n == 0 || !live[0]) return {};
  for (auto& state : dfa.states)
    for (std::int32_t& next : state.next)
      if (next >= 0 && !live[static_cast<std::size_t>(next)]) next = -1;
  return dfa;
}

enum Phase : std::uint8_t {
  start,
  minus,
  zero,
  integer,
  point,
  fraction,
  exponent,
  exponent_sign,
  exponent_digits
};

// What the digits read so far say about the number.
struct Progress {
  Phase phase = start;
  bool negative = false;
  bool nonzero = false;
  std::uint16_t integer_digits = 0, fraction_digits = 0;  // up to the limits that matter
  std::int8_t low = 0, high = 0;                          // |number so far| against |bound|: -1, 0, 1
  std::uint32_t remainder = 0;
  auto key() const {
    return std::tuple(phase, negative, nonzero, integer_digits, fraction_digits, low, high, remainder);
  }
};

class NumberBuilder {
 public:
  NumberBuilder(const NumberRule& rule, CompileBudget& budget) : rule_(rule), budget_(budget) {
    for (const Decimal& multiple : rule.multiples) add_multiple(multiple);
    const auto longest = [&](std::size_t limit, auto size_of) {
      for (const auto* bound : {&rule.low, &rule.high})
        if (*bound) limit = std::max<std::size_t>(limit, size_of(**bound) + 1);
      return static_cast<std::uint16_t>(limit);
    };
    // Generation stops where digits carry no information, and where a program that reads the number as a double could
    // no longer tell it from a bound.
    std::size_t bound_digits = 0;
    for (const auto* bound : {&rule.low, &rule.high})
      if (*bound) bound_digits = std::max(bound_digits, (*bound)->integer.size());
    integer_limit_ = longest(modulus_ == 1 ? 20 : 1, [](const Decimal& d) { return d.integer.size(); });
    fraction_limit_ = longest(bound_digits < 14 ? 15 - bound_digits : 1,
                              [](const Decimal& d) { return d.fraction.size(); });
    if (rule.low && rule.low == rule.high)
      fraction_limit_ = static_cast<std::uint16_t>(rule.low->fraction.size());
    if (scale_set_) fraction_limit_ = scale_;
    if (modulus_ != 1) limit_integer_digits_ = false;
    fraction_cap_ = static_cast<std::uint16_t>(
        1 + longest(fraction_limit_, [](const Decimal& d) { return d.fraction.size(); }));
  }

  NumberDfa build() {
    number({});
    for (std::size_t i = 0; i < states_.size(); ++i) {
      const Progress from = states_[i];
      for (int symbol = 0; symbol < NumberDfa::kSymbols; ++symbol) {
        Progress next = from;
        dfa_.states[i].next[static_cast<std::size_t>(symbol)] = step(next, symbol) ? number(next) : -1;
      }
    }
    return trim(std::move(dfa_));
  }

 private:
  // Multiples of k / 10^d: the number times 10^d must be a whole number divisible by k.
  void add_multiple(const Decimal& multiple) {
    const auto d = static_cast<std::uint16_t>(multiple.fraction.size());
    std::string digits = multiple.integer + multiple.fraction;
    const std::uint16_t scale = std::max(scale_, d);
    const auto too_large = [] {
      fail(ErrorCode::unsupported, "multipleOf: expected at most ", kMaxModulus,
           " different remainders, the value needs more");
    };
    if (digits.size() > 15 || scale > 40) too_large();
    const auto scaled = [&](std::uint64_t value, int zeros) {
      for (; zeros > 0; --zeros) {
        value *= 10;
        if (value > 1'000'000'000'000'000) too_large();
      }
      return value;
    };
    std::uint64_t k = scaled(std::stoull(digits), scale - d);
    if (rule_.integer) {
      // An integer times 10^scale is divisible by k if the integer is divisible by k / gcd(k, 10^scale).
      std::uint64_t power = 1;
      for (int i = 0; i < scale && i < 18; ++i) power *= 10;
      k /= std::gcd(k, power);
      modulus_ = modulus_ / std::gcd(modulus_, k) * k;
    } else {
      const std::uint64_t before = scale_set_ ? scaled(modulus_, scale - scale_) : 1;
      modulus_ = before / std::gcd(before, k) * k;
      scale_ = scale;
    }
    scale_set_ = true;
    if (modulus_ > kMaxModulus) too_large();
  }

  std::int32_t number(const Progress& progress) {
    const auto [it, added] = numbers_.try_emplace(progress.key(), static_cast<std::int32_t>(states_.size()));
    if (added) {
      budget_.spend(60);
      states_.push_back(progress);
      NumberDfa::State state;
      state.next.fill(-1);
      state.accepts = accepts(progress);
      state.read_only = (rule_.integer && progress.phase >= point) ||
                        (limit_integer_digits_ && progress.integer_digits > integer_limit_) ||
                        progress.fraction_digits > fraction_limit_;
      dfa_.states.push_back(state);
    }
    return it->second;
  }

  bool step(Progress& p, int symbol) const {
    if (symbol < 10) return digit(p, symbol);
    if (symbol == kMinus) {
      if (p.phase == start) {
        p.phase = minus, p.negative = true;
        return true;
      }
      if (p.phase != exponent) return false;
      p.phase = exponent_sign;
      return true;
    }
    if (symbol == kPoint) {
      if (p.phase != zero && p.phase != integer) return false;
      end_integer(p);
      p.phase = point;
      return true;
    }
    if (symbol == kPlus) {
      if (p.phase != exponent) return false;
      p.phase = exponent_sign;
      return true;
    }
    if (!rule_.is_any() || (p.phase != zero && p.phase != integer && p.phase != fraction)) return false;
    p = Progress{};
    p.phase = exponent;
    return true;
  }

  bool digit(Progress& p, int digit) const {
    switch (p.phase) {
      case start:
      case minus:
      case integer:
        if (p.phase != integer) p.phase = digit == 0 ? zero : integer;
        compare_digit(p.low, rule_.low, p.integer_digits, digit, false);
        compare_digit(p.high, rule_.high, p.integer_digits, digit, false);
        p.integer_digits = std::min<std::uint16_t>(static_cast<std::uint16_t>(p.integer_digits + 1),
                                                   static_cast<std::uint16_t>(integer_limit_ + 1));
        break;
      case point:
      case fraction:
        p.phase = fraction;
        if (digit != 0 && (rule_.integer || (scale_set_ && p.fraction_digits >= scale_))) return false;
        compare_digit(p.low, rule_.low, p.fraction_digits, digit, true);
        compare_digit(p.high, rule_.high, p.fraction_digits, digit, true);
        if (scale_set_ && !rule_.integer && p.fraction_digits < scale_)
          p.remainder = static_cast<std::uint32_t>(
              (p.remainder * std::uint64_t{10} + static_cast<unsigned>(digit)) % modulus_);
        p.fraction_digits =
            std::min<std::uint16_t>(static_cast<std::uint16_t>(p.fraction_digits + 1), fraction_cap_);
        p.nonzero |= digit != 0;
        return true;
      case exponent:
      case exponent_sign:
        p.phase = exponent_digits;
        p.fraction_digits = 0;
        return true;
      case exponent_digits:  // at most two digits: the number stays finite in a double
        if (p.fraction_digits > 0) return false;
        p.fraction_digits = 1;
        return true;
      default: return false;
    }
    p.nonzero |= digit != 0;
    if (scale_set_)
      p.remainder = static_cast<std::uint32_t>(
          (p.remainder * std::uint64_t{10} + static_cast<unsigned>(digit)) % modulus_);
    return true;
  }

  // `order` is that of the digits before `index`, and is decided once it is not 0.
  static void compare_digit(std::int8_t& order, const std::optional<Decimal>& bound, std::size_t index,
                            int digit, bool in_fraction) {
    if (!bound || order != 0) return;
    const std::string& digits = in_fraction ? bound->fraction : bound->integer;
    const int other = index < digits.size() ? digits[index] - '0' : 0;
    // Integer digits beyond the bound's are counted, not compared.
    if (!in_fraction && index >= digits.size()) return;
    order = static_cast<std::int8_t>(digit < other ? -1 : digit > other ? 1 : 0);
  }

  // The number of integer digits decides first.
  void end_integer(Progress& p) const {
    const auto decide = [&](std::int8_t& order, const std::optional<Decimal>& bound) {
      if (!bound) return;
      // "0" has no integer digits in the sense of Decimal.
      const std::size_t count = p.phase == zero ? 0 : p.integer_digits;
      if (count != bound->integer.size()) order = count < bound->integer.size() ? -1 : 1;
    };
    decide(p.low, rule_.low);
    decide(p.high, rule_.high);
    p.integer_digits = 0;
  }

  bool accepts(Progress p) const {
    if (p.phase == exponent_digits) return true;
    if (p.phase == zero || p.phase == integer) {
      end_integer(p);
    } else if (p.phase != fraction) {
      return false;
    }
    if (scale_set_) {
      std::uint64_t remainder = p.remainder;
      if (!rule_.integer)
        for (int i = p.fraction_digits; i < scale_; ++i) remainder = remainder * 10 % modulus_;
      if (remainder != 0) return false;
    }
    if (rule_.low) {
      const int order = signed_order(p, p.low, *rule_.low);
      if (order < 0 || (order == 0 && rule_.low_open)) return false;
    }
    if (rule_.high) {
      const int order = signed_order(p, p.high, *rule_.high);
      if (order > 0 || (order == 0 && rule_.high_open)) return false;
    }
    return true;
  }

  static int signed_order(const Progress& p, int magnitude, const Decimal& bound) {
    const int sign = !p.nonzero ? 0 : p.negative ? -1 : 1;
    const int bound_sign = bound.is_zero() ? 0 : bound.negative ? -1 : 1;
    if (sign != bound_sign) return sign < bound_sign ? -1 : 1;
    if (sign == 0) return 0;
    // Equal so far, and digits of the bound remain: its last one is not zero.
    if (magnitude == 0 && p.fraction_digits < bound.fraction.size()) magnitude = -1;
    return sign * magnitude;
  }

  const NumberRule& rule_;
  CompileBudget& budget_;
  std::uint16_t integer_limit_ = 0, fraction_limit_ = 0;
  std::uint16_t fraction_cap_ = 0;  // digits are counted up to it: enough for every comparison
  bool limit_integer_digits_ = true;
  bool scale_set_ = false;  // there is a multipleOf
  std::uint16_t scale_ = 0;
  std::uint64_t modulus_ = 1;
  NumberDfa dfa_;
  std::vector<Progress> states_;
  std::map<decltype(Progress{}.key()), std::int32_t> numbers_;
};

}  // namespace

int number_symbol(unsigned char byte) noexcept {
  if (byte >= '0' && byte <= '9') return byte - '0';
  switch (byte) {
    case '-': return kMinus;
    case '.': return kPoint;
    case 'e':
    case 'E': return kExponent;
    case '+': return kPlus;
    default: return -1;
  }
}

const char* symbol_bytes(int symbol) noexcept {
  static constexpr const char* kBytes[] = {"0", "1", "2", "3", "4", "5",  "6",
                                           "7", "8", "9", "-", ".", "eE", "+"};
  return kBytes[symbol];
}

NumberDfa number_dfa(const NumberRule& rule, CompileBudget& budget) {
  return NumberBuilder(rule, budget).build();
}

NumberDfa subtract(const NumberDfa& a, const NumberDfa& b, CompileBudget& budget) {
  NumberDfa out;
  if (a.empty()) return out;
  std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> numbers;
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  const auto number = [&](std::int32_t i, std::int32_t j) {
    const auto [it, added] = numbers.try_emplace({i, j}, static_cast<std::int32_t>(pairs.size()));
    if (added) {
      budget.spend(60);
      pairs.push_back({i, j});
      NumberDfa::State state = a.states[static_cast<std::size_t>(i)];
      state.accepts = state.accepts && !(j >= 0 && b.states[static_cast<std::size_t>(j)].accepts);
      out.states.push_back(state);
    }
    return it->second;
  };
  number(0, b.empty() ? -1 : 0);
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const auto [i, j] = pairs[k];
    for (int symbol = 0; symbol < NumberDfa::kSymbols; ++symbol) {
      const auto s = static_cast<std::size_t>(symbol);
      const std::int32_t next = a.states[static_cast<std::size_t>(i)].next[s];
      out.states[k].next[s] = next < 0 || symbol == kExponent
                                  ? -1
                                  : number(next, j < 0 ? -1 : b.states[static_cast<std::size_t>(j)].next[s]);
    }
  }
  return trim(std::move(out));
}

}  // namespace qwen::constraints
