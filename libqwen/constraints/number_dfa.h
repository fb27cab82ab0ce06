// Deterministic automata over the bytes of JSON numbers.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "constraints/compile_budget.h"
#include "constraints/decimal.h"

namespace qwen::constraints {

// Numbers that meet all of these.
struct NumberRule {
  std::optional<Decimal> low, high;
  bool low_open = false, high_open = false;  // the bound itself is excluded
  bool integer = false;
  std::vector<Decimal> multiples;  // positive; the number is a multiple of each

  bool is_any() const noexcept { return !low && !high && !integer && multiples.empty(); }
  friend bool operator==(const NumberRule&, const NumberRule&) = default;
};

struct NumberDfa {
  static constexpr int kSymbols = 14;  // 0-9 - . e +
  struct State {
    std::array<std::int32_t, kSymbols> next;  // -1: nothing
    bool accepts = false;
    // A spelling that generation avoids: 1.0 for an integer, digits beyond a double's precision.
    bool read_only = false;
  };
  std::vector<State> states;  // 0 is the start; no states: nothing is accepted

  bool empty() const noexcept { return states.empty(); }
};

// -1: `byte` is not part of a number.
int number_symbol(unsigned char byte) noexcept;
// The bytes of a symbol ("e" and "E" share one).
const char* symbol_bytes(int symbol) noexcept;

// Exact: it compares digits. An exponent is accepted only if the rule accepts any number.
// Throws unsupported for a multipleOf that needs too many states.
NumberDfa number_dfa(const NumberRule& rule, CompileBudget& budget);
// The numbers of `a` without exponents that `b` does not accept. `b` must be exact for those.
NumberDfa subtract(const NumberDfa& a, const NumberDfa& b, CompileBudget& budget);

}  // namespace qwen::constraints
