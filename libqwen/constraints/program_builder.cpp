#include "constraints/program_builder.h"

namespace qwen::constraints {

StateId ProgramBuilder::add_state(State::Kind kind, std::uint32_t index) {
  budget_.spend(8);
  State state;
  state.kind = kind;
  state.index = index;
  program_.states.push_back(state);
  edges_.emplace_back();
  return static_cast<StateId>(program_.states.size() - 1);
}

RuleId ProgramBuilder::add_rule() {
  Rule rule;
  rule.start = add_state();
  exits_.push_back(add_state(State::Kind::exit));
  program_.rules.push_back(rule);
  return static_cast<RuleId>(program_.rules.size() - 1);
}

void ProgramBuilder::byte(StateId from, unsigned char value, StateId to, std::int32_t counter) {
  edges_[from].push_back({Edge::Kind::byte, value, value, false, to, 0, counter});
}

void ProgramBuilder::empty(StateId from, StateId to) {
  edges_[from].push_back({Edge::Kind::empty, 0, 0, false, to, 0, -1});
}

void ProgramBuilder::call(StateId from, RuleId rule, StateId to, std::int32_t counter) {
  edges_[from].push_back({Edge::Kind::call, 0, 0, false, to, rule, counter});
}

void ProgramBuilder::literal(StateId from, std::string_view text, StateId to) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const StateId next = i + 1 == text.size() ? to : add_state();
    byte(from, static_cast<unsigned char>(text[i]), next);
    from = next;
  }
}

void ProgramBuilder::space(StateId from, StateId to) {
  const bool spaced = options_.spacing == JsonSpacing::spaced;
  edges_[from].push_back({Edge::Kind::byte, ' ', ' ', !spaced, to, 0, -1});
  edges_[from].push_back({Edge::Kind::empty, 0, 0, spaced, to, 0, -1});
}

void ProgramBuilder::string(StateId from, StringBody body, StateId to) {
  const bool raw = body.raw;
  body.after = to;
  const StateId inside = add_state(State::Kind::string, static_cast<std::uint32_t>(program_.strings.size()));
  program_.strings.push_back(std::move(body));
  if (raw) {
    edges_[from].push_back({Edge::Kind::empty, 0, 0, false, inside, 0, 0});
  } else {
    byte(from, '"', inside, 0);
  }
}

void ProgramBuilder::number(StateId from, const NumberDfa& dfa, StateId to) {
  std::vector<StateId> states{from};
  for (std::size_t i = 1; i < dfa.states.size(); ++i) states.push_back(add_state());
  for (std::size_t i = 0; i < dfa.states.size(); ++i) {
    if (dfa.states[i].accepts) empty(states[i], to);
    for (int symbol = 0; symbol < NumberDfa::kSymbols; ++symbol) {
      const std::int32_t next = dfa.states[i].next[static_cast<std::size_t>(symbol)];
      if (next < 0) continue;
      const bool read_only = dfa.states[static_cast<std::size_t>(next)].read_only;
      for (const char* c = symbol_bytes(symbol); *c != '\0'; ++c) {
        const auto value = static_cast<std::uint8_t>(*c);
        auto& edges = edges_[states[i]];
        // Digits that lead to one state share an edge.
        if (!edges.empty() && edges.back().kind == Edge::Kind::byte && edges.back().high + 1 == value &&
            edges.back().target == states[static_cast<std::size_t>(next)] &&
            edges.back().read_only == read_only) {
          edges.back().high = value;
        } else {
          budget_.spend(2);
          edges.push_back(
              {Edge::Kind::byte, value, value, read_only, states[static_cast<std::size_t>(next)], 0, -1});
        }
      }
    }
  }
}

std::uint32_t ProgramBuilder::add_loop(const ItemLoop& loop) {
  program_.loops.push_back(loop);
  return static_cast<std::uint32_t>(program_.loops.size() - 1);
}

void ProgramBuilder::members(StateId from, MemberSet set) {
  const auto index = static_cast<std::uint32_t>(program_.members.size());
  budget_.spend(10 + set.listed.size());
  set.key = add_state(State::Kind::member, index);
  set.value_end = add_state(State::Kind::member_end, index);
  set.separator = add_state(State::Kind::member_end, index);
  space(set.separator, set.key);
  edges_[from].push_back({Edge::Kind::empty, 0, 0, true, set.key, 0, 0});
  program_.members.push_back(std::move(set));
}

Program ProgramBuilder::finish(RuleId root) {
  program_.root = root;
  for (std::size_t i = 0; i < program_.states.size(); ++i) {
    program_.states[i].first_edge = static_cast<std::uint32_t>(program_.edges.size());
    program_.edges.insert(program_.edges.end(), edges_[i].begin(), edges_[i].end());
    program_.states[i].end_edge = static_cast<std::uint32_t>(program_.edges.size());
  }
  compute_costs(program_);
  return std::move(program_);
}

AnyJson add_any_json(ProgramBuilder& builder, CompileBudget& budget) {
  const RuleId number = builder.add_rule();
  builder.number(builder.start_of(number), number_dfa(NumberRule{}, budget), builder.exit_of(number));
  AnyJson deeper{};
  for (int depth = 0; depth <= kAnyDepth; ++depth) {
    AnyJson rules{builder.add_rule(), builder.add_rule()};
    const StateId start = builder.start_of(rules.value), exit = builder.exit_of(rules.value);
    builder.literal(start, "null", exit);
    builder.literal(start, "true", exit);
    builder.literal(start, "false", exit);
    builder.string(start, StringBody{}, exit);
    builder.call(start, number, exit);
    if (depth > 0) {
      builder.call(start, rules.object, exit);
      // An array.
      const std::uint32_t index = builder.add_loop({deeper.value, 0, kUnlimited, 0, exit});
      const StateId first = builder.add_state(), after = builder.add_state(State::Kind::item_loop, index);
      const StateId separator = builder.add_state(State::Kind::item, index);
      const StateId item = builder.add_state(State::Kind::item, index);
      builder.loop(index).separator = separator;
      builder.byte(start, '[', first);
      builder.byte(first, ']', exit);
      builder.call(first, deeper.value, after, 1);
      builder.space(separator, item);
      builder.call(item, deeper.value, after);
    }
    // An object.
    const StateId open = builder.start_of(rules.object), end = builder.exit_of(rules.object);
    const StateId first = builder.add_state();
    builder.byte(open, '{', first);
    builder.byte(first, '}', end);
    if (depth > 0) {
      const StateId key = builder.add_state(), colon = builder.add_state(), value_gap = builder.add_state();
      const StateId value = builder.add_state(), after = builder.add_state(), gap = builder.add_state();
      builder.empty(first, key);
      builder.string(key, StringBody{}, colon);
      builder.byte(colon, ':', value_gap);
      builder.space(value_gap, value);
      builder.call(value, deeper.value, after);
      builder.byte(after, ',', gap);
      builder.byte(after, '}', end);
      builder.space(gap, key);
    }
    deeper = rules;
  }
  return deeper;
}

}  // namespace qwen::constraints
