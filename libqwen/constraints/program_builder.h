// Building a Program state by state.
#pragma once
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "constraints/compile_budget.h"
#include "constraints/number_dfa.h"
#include "constraints/program.h"
#include "qwen/constraint.h"

namespace qwen::constraints {

// Fragments lead from one state to another, `after`, which exists already.
class ProgramBuilder {
 public:
  ProgramBuilder(const JsonOptions& options, CompileBudget& budget) : options_(options), budget_(budget) {}

  StateId add_state(State::Kind kind = State::Kind::plain, std::uint32_t index = 0);
  // A rule with its start state; its fragments end in exit_of(rule).
  RuleId add_rule();
  StateId start_of(RuleId rule) const { return program_.rules[rule].start; }
  StateId exit_of(RuleId rule) const { return exits_[rule]; }

  void byte(StateId from, unsigned char value, StateId to, std::int32_t counter = -1);
  void empty(StateId from, StateId to);
  void call(StateId from, RuleId rule, StateId to, std::int32_t counter = -1);
  void literal(StateId from, std::string_view text, StateId to);
  // The space after a comma or a colon.
  void space(StateId from, StateId to);
  void string(StateId from, StringBody body, StateId to);  // with its quotes, unless raw
  void number(StateId from, const NumberDfa& dfa, StateId to);
  std::uint32_t add_loop(const ItemLoop& loop);
  ItemLoop& loop(std::uint32_t index) { return program_.loops[index]; }
  // From behind the opening brace; the states in `set` but `after` are added here.
  void members(StateId from, MemberSet set);

  Program finish(RuleId root);

 private:
  const JsonOptions options_;
  CompileBudget& budget_;
  Program program_;
  std::vector<std::vector<Edge>> edges_;  // by state
  std::vector<StateId> exits_;            // by rule
};

// The rule of every JSON value nested at most `depth` deep, and of every object.
struct AnyJson {
  RuleId value, object;
};
inline constexpr int kAnyDepth = 16;
AnyJson add_any_json(ProgramBuilder& builder, CompileBudget& budget);

}  // namespace qwen::constraints
