// Deterministic automata over characters (Unicode code points): what strings and keys are matched with.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "constraints/compile_budget.h"

namespace qwen::constraints {

inline constexpr std::uint32_t kMaxCodePoint = 0x10FFFF;
inline constexpr std::uint32_t kUnlimited = std::numeric_limits<std::uint32_t>::max();

// From every state an accepting one can be reached; state 0 is the start. An automaton without states accepts
// nothing.
struct CharDfa {
  struct Range {
    std::uint32_t low, high;  // code points, inclusive
    std::uint32_t next;
    friend bool operator==(const Range&, const Range&) = default;
  };
  struct State {
    std::vector<Range> ranges;  // sorted, disjoint
    bool accepts = false;
  };
  std::vector<State> states;

  bool empty() const noexcept { return states.empty(); }
  // The state after `c`, or -1.
  std::int64_t step(std::uint32_t state, std::uint32_t c) const noexcept;
  bool accepts(std::string_view utf8) const noexcept;
};

// Every string.
CharDfa any_string();
// Exactly these strings (UTF-8).
CharDfa literal_strings(std::span<const std::string> strings, CompileBudget& budget);
// The strings of `low` to `high` characters.
CharDfa string_lengths(std::uint32_t low, std::uint32_t high, CompileBudget& budget);
// The strings that both accept.
CharDfa intersect(const CharDfa& a, const CharDfa& b, CompileBudget& budget);
// The strings that `a` accepts and `b` does not.
CharDfa subtract(const CharDfa& a, const CharDfa& b, CompileBudget& budget);
// Removes states that cannot be reached or from which nothing is accepted.
CharDfa trim(CharDfa dfa);

// The code points of valid UTF-8.
std::vector<std::uint32_t> code_points(std::string_view utf8);

}  // namespace qwen::constraints
