// What a constraint is compiled to: a byte automaton with a stack.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "constraints/char_dfa.h"

namespace qwen::constraints {

using StateId = std::uint32_t;
using RuleId = std::uint32_t;
using Cost = std::uint64_t;  // bytes of the shortest way to an end

// A way through read-only edges costs more than any real one, so that shortest ends avoid them.
inline constexpr Cost kReadOnlyCost = Cost{1} << 40;
inline constexpr Cost kImpossible = Cost{1} << 60;
inline Cost add_cost(Cost a, Cost b) noexcept {
  return a >= kImpossible || b >= kImpossible ? kImpossible : a + b;
}

struct Edge {
  enum class Kind : std::uint8_t {
    byte,   // reads a byte in [low, high]
    empty,  // reads nothing
    call,   // runs a rule, then goes on at `target`
  };
  Kind kind = Kind::byte;
  std::uint8_t low = 0, high = 0;
  // Taken when a text is checked, not when one is generated: another spelling of the same value.
  bool read_only = false;
  StateId target = 0;
  RuleId rule = 0;            // of a call
  std::int32_t counter = -1;  // sets the counter, if 0 or more
};

// A string, from behind its opening quote to behind its closing one; or a text without quotes and escapes.
struct StringBody {
  CharDfa automaton;  // without states: any characters, and the two limits count
  std::uint32_t min = 0, max = kUnlimited;
  bool raw = false;  // no quotes: ends wherever the automaton accepts
  StateId after = 0;
  std::vector<Cost> costs;  // [automaton.states]: from a state to behind the closing quote
};

// The part of an array behind `prefix`: the counter holds the number of these items.
struct ItemLoop {
  RuleId items = 0;
  std::uint32_t min = 0, max = kUnlimited;
  StateId separator = 0;  // after a comma
  StateId after = 0;      // after the bracket
};

// The members of an object in any order, for reading: the counter is a bit set of the listed ones that are there.
struct MemberSet {
  std::vector<RuleId> listed;    // at most kMaxListed; each from the key's quote to the end of the value
  std::vector<RuleId> unlisted;  // may come any number of times
  std::uint32_t required = 0;    // bit set
  StateId separator = 0;         // after a comma
  StateId key = 0, value_end = 0;
  StateId after = 0;  // after the brace
  static constexpr std::size_t kMaxListed = 32;
};

struct State {
  enum class Kind : std::uint8_t {
    plain,
    string,      // inside StringBody `index`
    item_loop,   // after an item of ItemLoop `index`
    item,        // before an item of ItemLoop `index` (its separator too)
    member,      // before a key of MemberSet `index`
    member_end,  // after a member of MemberSet `index`
    exit,        // the end of its rule
  };
  Kind kind = Kind::plain;
  std::uint32_t index = 0;
  std::uint32_t first_edge = 0, end_edge = 0;
  Cost cost = kImpossible;  // to the end of its rule; of a loop, with the counter at 1
};

struct Rule {
  StateId start = 0;
  Cost cost = kImpossible;  // of its shortest text
};

// How Qwen2.5 and Qwen3 write calls of functions; added tokens of their vocabularies.
inline constexpr std::string_view kToolCallBegin = "<tool_call>", kToolCallEnd = "</tool_call>";

// Immutable once built.
struct Program {
  std::vector<State> states;
  std::vector<Edge> edges;
  std::vector<Rule> rules;
  std::vector<StringBody> strings;
  std::vector<ItemLoop> loops;
  std::vector<MemberSet> members;
  RuleId root = 0;
  std::vector<std::string> added_tokens;  // texts of added tokens that may stand for their bytes
};

// Fills in the costs.
void compute_costs(Program& program);

// From a state, with `counter`, to the end of its rule. Not for State::Kind::string.
Cost state_cost(const Program& program, StateId state, std::uint32_t counter) noexcept;

// Bytes of `c` in a JSON string as it is generated (raw: in UTF-8).
Cost character_cost(std::uint32_t c, bool raw) noexcept;
// The least character_cost of the characters in [low, high].
Cost least_character_cost(std::uint32_t low, std::uint32_t high, bool raw) noexcept;

}  // namespace qwen::constraints
