// Rules of strings and numbers as automata.
#include <algorithm>

#include "constraints/schema_reader.h"

namespace qwen::constraints {
namespace {

bool meets(const StringRule& rule, const std::string& text) {
  const std::size_t length = code_points(text).size();
  if (length < rule.min || length > rule.max) return false;
  for (const auto& automaton : rule.automata)
    if (!automaton->accepts(text)) return false;
  return !rule.values || std::find(rule.values->begin(), rule.values->end(), text) != rule.values->end();
}

CharDfa automaton_of(const StringRule& rule, CompileBudget& budget) {
  CharDfa out = rule.values ? literal_strings(*rule.values, budget) : any_string();
  for (const auto& automaton : rule.automata) out = intersect(out, *automaton, budget);
  if (rule.min > 0 || rule.max != kUnlimited)
    out = intersect(out, string_lengths(rule.min, rule.max, budget), budget);
  return out;
}

std::string text_of(const Decimal& value) {
  std::string out = value.negative ? "-" : "";
  out += value.integer.empty() ? "0" : value.integer;
  if (!value.fraction.empty()) out += "." + value.fraction;
  return out;
}

bool accepts(const NumberDfa& dfa, const std::string& text) {
  if (dfa.empty()) return false;
  std::int32_t state = 0;
  for (const char c : text) {
    state = dfa.states[static_cast<std::size_t>(state)]
                .next[static_cast<std::size_t>(number_symbol(static_cast<unsigned char>(c)))];
    if (state < 0) return false;
  }
  return dfa.states[static_cast<std::size_t>(state)].accepts;
}

}  // namespace

CharDfa string_automaton(const StringRules& rules, CompileBudget& budget) {
  CharDfa out = automaton_of(rules.rule, budget);
  for (const StringRule& rule : rules.excluded) out = subtract(out, automaton_of(rule, budget), budget);
  return out;
}

std::vector<std::string> allowed_strings(const StringRules& rules) {
  std::vector<std::string> out;
  for (const std::string& text : *rules.rule.values) {
    const bool excluded = std::any_of(rules.excluded.begin(), rules.excluded.end(),
                                      [&](const StringRule& rule) { return meets(rule, text); });
    if (meets(rules.rule, text) && !excluded) out.push_back(text);
  }
  return out;
}

std::vector<Decimal> allowed_numbers(const NumberRules& rules, CompileBudget& budget) {
  std::vector<NumberDfa> excluded;
  for (const NumberRule& rule : rules.excluded) excluded.push_back(number_dfa(rule, budget));
  const NumberDfa all = number_dfa(rules.rule, budget);
  std::vector<Decimal> out;
  for (const Decimal& value : *rules.values) {
    const std::string text = text_of(value);
    budget.spend(1 + text.size() / 4 * (1 + excluded.size()));
    const bool banned = std::any_of(excluded.begin(), excluded.end(),
                                    [&](const NumberDfa& dfa) { return accepts(dfa, text); });
    if (!banned && accepts(all, text)) out.push_back(value);
  }
  return out;
}

std::vector<NumberDfa> number_automata(const NumberRules& rules, CompileBudget& budget) {
  if (!rules.values) {
    NumberDfa out = number_dfa(rules.rule, budget);
    for (const NumberRule& rule : rules.excluded) out = subtract(out, number_dfa(rule, budget), budget);
    return {std::move(out)};
  }
  std::vector<NumberDfa> out;
  for (const Decimal& value : allowed_numbers(rules, budget)) {
    NumberRule rule;
    rule.low = rule.high = value;
    out.push_back(number_dfa(rule, budget));
  }
  return out;
}

}  // namespace qwen::constraints
