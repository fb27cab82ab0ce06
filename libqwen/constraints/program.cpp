#include "constraints/program.h"

#include <algorithm>
#include <map>
#include <queue>

namespace qwen::constraints {
namespace {

using Entry = std::pair<Cost, std::uint32_t>;
using Queue = std::priority_queue<Entry, std::vector<Entry>, std::greater<>>;

void compute_string_costs(StringBody& body) {
  const auto& states = body.automaton.states;
  body.costs.assign(states.size(), kImpossible);
  std::vector<std::vector<std::pair<std::uint32_t, Cost>>> before(states.size());
  Queue queue;
  for (std::size_t i = 0; i < states.size(); ++i) {
    for (const auto& range : states[i].ranges)
      before[range.next].push_back(
          {static_cast<std::uint32_t>(i), least_character_cost(range.low, range.high, body.raw)});
    if (states[i].accepts) queue.push({body.raw ? 0 : 1, static_cast<std::uint32_t>(i)});
  }
  while (!queue.empty()) {
    const auto [cost, state] = queue.top();
    queue.pop();
    if (body.costs[state] <= cost) continue;
    body.costs[state] = cost;
    for (const auto& [from, step] : before[state]) queue.push({cost + step, from});
  }
}

Cost string_start_cost(const StringBody& body) {
  if (!body.automaton.empty()) return body.costs.front();
  return body.min > body.max ? kImpossible : Cost{body.min} + (body.raw ? 0 : 1);
}

// Knuth's generalization of Dijkstra's algorithm: states and rules are finished in the order of their costs.
class CostSolver {
 public:
  explicit CostSolver(Program& program)
      : program_(program),
        into_(program.states.size()),
        callers_(program.rules.size()),
        loops_of_(program.rules.size()) {
    starts_.resize(program.states.size());
    for (RuleId rule = 0; rule < program.rules.size(); ++rule)
      starts_[program.rules[rule].start].push_back(rule);
    for (StateId state = 0; state < program.states.size(); ++state) {
      const State& s = program.states[state];
      for (std::uint32_t e = s.first_edge; e < s.end_edge; ++e) {
        const Edge& edge = program.edges[e];
        into_[edge.target].push_back({state, e});
        if (edge.kind == Edge::Kind::call) callers_[edge.rule].push_back({state, e});
      }
      if (s.kind == State::Kind::exit) queue_.push({0, state});
      // Only for reading, and never without an end: the required members have values.
      if (s.kind == State::Kind::member || s.kind == State::Kind::member_end)
        queue_.push({kReadOnlyCost, state});
      if (s.kind == State::Kind::string) bodies_.push_back(state);
      if (s.kind == State::Kind::item_loop) loop_states_.push_back(state);
    }
    for (const StateId state : bodies_)
      after_string_[program.strings[program.states[state].index].after].push_back(state);
    for (const StateId state : loop_states_) {
      const ItemLoop& loop = program.loops[program.states[state].index];
      after_loop_[loop.after].push_back(state);
      loops_of_[loop.items].push_back(state);
    }
  }

  void solve() {
    while (!queue_.empty()) {
      const auto [cost, state] = queue_.top();
      queue_.pop();
      State& s = program_.states[state];
      if (s.cost <= cost) continue;
      s.cost = cost;
      for (const auto& [from, e] : into_[state]) relax(from, e);
      if (const auto it = after_string_.find(state); it != after_string_.end())
        for (const StateId body : it->second)
          push(add_cost(string_start_cost(program_.strings[program_.states[body].index]), cost), body);
      if (const auto it = after_loop_.find(state); it != after_loop_.end())
        for (const StateId loop : it->second) relax_loop(loop);
      for (const RuleId rule : starts_[state]) {
        program_.rules[rule].cost = cost;
        for (const auto& [from, e] : callers_[rule]) relax(from, e);
        for (const StateId loop : loops_of_[rule]) relax_loop(loop);
      }
    }
  }

 private:
  void push(Cost cost, StateId state) {
    if (cost < kImpossible) queue_.push({cost, state});
  }
  void relax(StateId from, std::uint32_t e) {
    const Edge& edge = program_.edges[e];
    Cost cost = program_.states[edge.target].cost;
    if (edge.kind == Edge::Kind::byte) cost = add_cost(cost, 1);
    if (edge.kind == Edge::Kind::call) cost = add_cost(cost, program_.rules[edge.rule].cost);
    if (edge.read_only) cost = add_cost(cost, kReadOnlyCost);
    push(cost, from);
  }
  void relax_loop(StateId state) {
    const ItemLoop& loop = program_.loops[program_.states[state].index];
    Cost cost = add_cost(program_.states[loop.after].cost, 1);
    if (loop.min > 1) {
      // A comma, what the separator costs before the item, and the item.
      const Cost item = program_.rules[loop.items].cost;
      if (item >= kImpossible) return;
      cost = add_cost(cost, (loop.min - 1) * (separator_cost(program_, loop) + item));
    }
    push(cost, state);
  }

 public:
  // A comma and the space that is generated after it.
  static Cost separator_cost(const Program& program, const ItemLoop& loop) {
    const State& separator = program.states[loop.separator];
    for (std::uint32_t e = separator.first_edge; e < separator.end_edge; ++e)
      if (!program.edges[e].read_only) return program.edges[e].kind == Edge::Kind::byte ? 2 : 1;
    return 1;
  }

 private:
  Program& program_;
  std::vector<std::vector<std::pair<StateId, std::uint32_t>>> into_,
      callers_;                                 // edges by target, calls by rule
  std::vector<std::vector<StateId>> loops_of_;  // by rule of the items
  std::vector<std::vector<RuleId>> starts_;     // by state
  std::vector<StateId> bodies_, loop_states_;
  std::map<StateId, std::vector<StateId>> after_string_, after_loop_;
  Queue queue_;
};

}  // namespace

Cost character_cost(std::uint32_t c, bool raw) noexcept {
  if (c < 0x80) {
    if (raw) return 1;
    if (c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t') return 2;
    return c < 0x20 ? 6 : 1;
  }
  return c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

Cost least_character_cost(std::uint32_t low, std::uint32_t high, bool raw) noexcept {
  Cost least = kImpossible;
  for (std::uint32_t c = low; c <= std::min<std::uint32_t>(high, 0x7F); ++c) {
    least = std::min(least, character_cost(c, raw));
    if (least == 1) return 1;
  }
  if (high >= 0x80) {
    std::uint32_t c = std::max<std::uint32_t>(low, 0x80);
    if (c >= 0xD800 && c <= 0xDFFF) c = 0xE000;  // surrogates are not characters
    if (c <= high) least = std::min(least, character_cost(c, raw));
  }
  return least;
}

void compute_costs(Program& program) {
  for (StringBody& body : program.strings) compute_string_costs(body);
  CostSolver(program).solve();
}

Cost state_cost(const Program& program, StateId state, std::uint32_t counter) noexcept {
  const State& s = program.states[state];
  if (s.kind != State::Kind::item_loop && s.kind != State::Kind::item) return s.cost;
  const ItemLoop& loop = program.loops[s.index];
  // Of what is missing after the items counted so far; `item` states count the one that comes.
  const Cost one = program.rules[loop.items].cost;
  Cost cost = add_cost(program.states[loop.after].cost, 1);
  if (counter < loop.min) {
    if (one >= kImpossible) return kImpossible;
    cost = add_cost(cost, (loop.min - counter) * (CostSolver::separator_cost(program, loop) + one));
  }
  if (s.kind == State::Kind::item) {
    cost = add_cost(cost, one);
    if (state == loop.separator) cost = add_cost(cost, CostSolver::separator_cost(program, loop) - 1);
  }
  return cost;
}

}  // namespace qwen::constraints
