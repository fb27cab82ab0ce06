#include "constraints/compile.h"

#include <algorithm>
#include <deque>
#include <map>

#include "base/fail.h"
#include "base/utf8.h"
#include "constraints/program_builder.h"
#include "constraints/regex.h"
#include "constraints/schema_reader.h"

namespace qwen::constraints {
namespace {

constexpr std::size_t kMaxPatterns = 6;  // that can match one name

class SchemaCompiler {
 public:
  SchemaCompiler(const JsonTree& schema, ProgramBuilder& builder, const AnyJson& any, CompileBudget& budget)
      : budget_(budget), reader_(schema, budget), builder_(builder), any_(any) {}

  // The rule of the values that match the schema, and one more if it is not null.
  RuleId compile(const JsonTree* also = nullptr) {
    Conditions conditions{Condition{&reader_.root()}};
    if (also != nullptr) add_condition(conditions, Condition{also});
    const RuleId root = rule_for(conditions);
    while (!pending_.empty()) {
      const auto [rule, wanted] = std::move(pending_.front());
      pending_.pop_front();
      for (const Alternative& one : reader_.expand(wanted)) add_alternative(one, rule);
    }
    return root;
  }

 private:
  RuleId rule_for(const Conditions& conditions) {
    const auto [it, added] = rules_.try_emplace(conditions, 0);
    if (added) {
      budget_.spend(40);
      if (conditions.empty()) {
        it->second = any_.value;
      } else {
        it->second = builder_.add_rule();
        pending_.push_back({it->second, conditions});
      }
    }
    return it->second;
  }

  void add_alternative(const Alternative& one, RuleId rule) {
    const StateId start = builder_.start_of(rule), exit = builder_.exit_of(rule);
    if (one.types & kNullType) builder_.literal(start, "null", exit);
    if (one.types & kTrueType) builder_.literal(start, "true", exit);
    if (one.types & kFalseType) builder_.literal(start, "false", exit);
    if (one.types & kNumberType) {
      for (const NumberDfa& dfa : number_automata(one.number, budget_)) {
        if (dfa.empty()) continue;
        const StateId digits = builder_.add_state();
        builder_.empty(start, digits);
        builder_.number(digits, dfa, exit);
      }
    }
    if (one.types & kStringType) add_string(one.string, start, exit);
    if (one.types & kArrayType) add_array(one.array, start, exit);
    if (one.types & kObjectType) add_object(one.object, start, exit);
  }

  void add_string(const StringRules& rules, StateId start, StateId exit) {
    StringBody body;
    const StringRule& rule = rules.rule;
    if (rule.automata.empty() && !rule.values && rules.excluded.empty()) {  // counted, whatever the limits
      if (rule.min > rule.max) return;
      body.min = rule.min, body.max = rule.max;
    } else {
      body.automaton =
          rule.values ? literal_strings(allowed_strings(rules), budget_) : string_automaton(rules, budget_);
      if (body.automaton.empty()) return;
      budget_.spend(10 * body.automaton.states.size());
    }
    builder_.string(start, std::move(body), exit);
  }

  void add_array(const ArrayRules& array, StateId start, StateId exit) {
    if (array.min > array.max) return;
    const std::size_t prefix = std::min<std::size_t>(array.prefix.size(), array.max);
    const bool more = array.max > array.prefix.size() && !is_impossible(array.items);
    StateId loop_after = 0, separator = 0;
    RuleId items = 0;
    if (more) {
      const auto k = static_cast<std::uint32_t>(prefix);
      items = rule_for(array.items);
      const std::uint32_t min = array.min > k ? array.min - k : 0;
      const std::uint32_t max = array.max == kUnlimited ? kUnlimited : array.max - k;
      const std::uint32_t index = builder_.add_loop({items, min, max, 0, exit});
      loop_after = builder_.add_state(State::Kind::item_loop, index);
      separator = builder_.add_state(State::Kind::item, index);
      const StateId item = builder_.add_state(State::Kind::item, index);
      builder_.loop(index).separator = separator;
      builder_.space(separator, item);
      builder_.call(item, items, loop_after);
    }
    StateId at = builder_.add_state();
    builder_.byte(start, '[', at);
    for (std::size_t i = 0;; ++i) {
      if (i >= array.min) builder_.byte(at, ']', exit);
      if (i == prefix) break;
      StateId item = at;
      if (i > 0) {
        const StateId gap = builder_.add_state();
        item = builder_.add_state();
        builder_.byte(at, ',', gap);
        builder_.space(gap, item);
      }
      const StateId next = builder_.add_state();
      if (!is_impossible(array.prefix[i])) builder_.call(item, rule_for(array.prefix[i]), next);
      at = next;
    }
    if (!more) return;
    if (prefix == 0) {
      builder_.call(at, items, loop_after, 1);
    } else {
      builder_.byte(at, ',', separator, 1);
    }
  }

  // A member, from the opening quote of its key to the end of its value.
  RuleId member_rule(CharDfa names, const Conditions& value) {
    StringBody body;
    body.automaton = std::move(names);
    budget_.spend(20 + 10 * body.automaton.states.size());
    const RuleId rule = builder_.add_rule();
    const StateId colon = builder_.add_state(), gap = builder_.add_state(), before = builder_.add_state();
    builder_.string(builder_.start_of(rule), std::move(body), colon);
    builder_.byte(colon, ':', gap);
    builder_.space(gap, before);
    builder_.call(before, rule_for(value), builder_.exit_of(rule));
    return rule;
  }

  // Classes of unlisted names, each with the conditions of its values.
  struct NameClass {
    CharDfa names;
    Conditions value;
  };
  std::vector<NameClass> unlisted_names(const ObjectRules& object) {
    std::vector<std::string> listed;
    for (const auto& property : object.properties) listed.push_back(property.name);
    CharDfa others =
        listed.empty() ? any_string() : subtract(any_string(), literal_strings(listed, budget_), budget_);
    for (const auto& names : object.names) others = intersect(others, *names, budget_);
    std::vector<NameClass> classes{{std::move(others), {}}};
    std::size_t patterns = 0;
    for (const auto& group : object.unlisted) {
      // Every class is divided by each pattern; `matched` says whether a pattern of the group has matched.
      std::vector<std::pair<NameClass, bool>> divided;
      for (NameClass& one : classes) divided.push_back({std::move(one), false});
      for (const auto& pattern : group.patterns) {
        if (++patterns > kMaxPatterns)
          fail(ErrorCode::unsupported, "schema: keyword \"patternProperties\": more than ", kMaxPatterns,
               " patterns for one object");
        std::vector<std::pair<NameClass, bool>> next;
        for (auto& [one, matched] : divided) {
          NameClass inside{intersect(one.names, *pattern.names, budget_), one.value};
          add_conditions(inside.value, pattern.value);
          NameClass outside{subtract(one.names, *pattern.names, budget_), std::move(one.value)};
          if (!inside.names.empty()) next.push_back({std::move(inside), true});
          if (!outside.names.empty()) next.push_back({std::move(outside), matched});
        }
        divided = std::move(next);
      }
      classes.clear();
      for (auto& [one, matched] : divided) {
        if (!matched) add_conditions(one.value, group.others);
        classes.push_back(std::move(one));
      }
    }
    std::erase_if(classes,
                  [](const NameClass& one) { return one.names.empty() || is_impossible(one.value); });
    return classes;
  }

  void add_object(const ObjectRules& object, StateId start, StateId exit) {
    std::vector<const ObjectRules::Property*> properties;
    for (const auto& property : object.properties) {
      if (!is_impossible(property.value)) {
        properties.push_back(&property);
      } else if (property.required) {
        return;
      }
    }
    std::vector<RuleId> listed, unlisted;
    for (const auto* property : properties)
      listed.push_back(member_rule(literal_strings({&property->name, 1}, budget_), property->value));
    for (NameClass& one : unlisted_names(object))
      unlisted.push_back(member_rule(std::move(one.names), one.value));
    const StateId first = builder_.add_state();
    builder_.byte(start, '{', first);
    add_ordered_members(properties, listed,
                        object.open || object.properties.empty() ? unlisted : std::vector<RuleId>{}, first,
                        exit);
    if (listed.size() > MemberSet::kMaxListed) return;
    MemberSet set;
    for (std::size_t i = 0; i < properties.size(); ++i)
      if (properties[i]->required) set.required |= std::uint32_t{1} << i;
    set.listed = std::move(listed);
    set.unlisted = std::move(unlisted);
    set.after = exit;
    builder_.members(first, std::move(set));
  }

  // The form that is generated: listed members in order, then unlisted ones.
  void add_ordered_members(const std::vector<const ObjectRules::Property*>& properties,
                           const std::vector<RuleId>& listed, const std::vector<RuleId>& unlisted,
                           StateId first, StateId exit) {
    const std::size_t n = listed.size();
    std::size_t optional_from = n;  // from here on no property is required
    while (optional_from > 0 && !properties[optional_from - 1]->required) --optional_from;
    // key[i]: before a key, properties 0 to i - 1 are done. after[i]: after a value.
    std::vector<StateId> key, after;
    for (std::size_t i = 0; i <= n; ++i)
      key.push_back(builder_.add_state()), after.push_back(builder_.add_state());
    builder_.empty(first, key[0]);
    if (optional_from == 0) builder_.byte(first, '}', exit);
    for (std::size_t i = 0; i <= n; ++i) {
      if (i >= optional_from) builder_.byte(after[i], '}', exit);
      const StateId gap = builder_.add_state();
      builder_.byte(after[i], ',', gap);
      builder_.space(gap, key[i]);
      if (i == n) break;
      builder_.call(key[i], listed[i], after[i + 1]);
      if (!properties[i]->required) builder_.empty(key[i], key[i + 1]);
    }
    for (const RuleId rule : unlisted) builder_.call(key[n], rule, after[n]);
  }

  CompileBudget& budget_;
  SchemaReader reader_;
  ProgramBuilder& builder_;
  const AnyJson any_;
  std::map<Conditions, RuleId> rules_;
  std::deque<std::pair<RuleId, Conditions>> pending_;
};

}  // namespace

std::shared_ptr<const Program> compile_json(bool object, const JsonOptions& options) {
  CompileBudget budget;
  ProgramBuilder builder(options, budget);
  const AnyJson any = add_any_json(builder, budget);
  return std::make_shared<const Program>(builder.finish(object ? any.object : any.value));
}

std::shared_ptr<const Program> compile_schema(std::string_view schema, const JsonOptions& options) {
  const JsonTree tree = parse_json_tree(schema, "schema");
  CompileBudget budget;
  ProgramBuilder builder(options, budget);
  const AnyJson any = add_any_json(builder, budget);
  const RuleId root = SchemaCompiler(tree, builder, any, budget).compile();
  return std::make_shared<const Program>(builder.finish(root));
}

namespace {

// All texts in which `word` does not occur. Its first character must occur in it only once: then after a mismatch
// at most that character is matched.
CharDfa texts_without(std::string_view word) {
  CharDfa dfa;
  for (std::size_t i = 0; i < word.size(); ++i) {
    // After i characters of the word: its next one, its first one, or any other.
    const auto next = static_cast<std::uint32_t>(static_cast<unsigned char>(word[i]));
    const auto first = static_cast<std::uint32_t>(static_cast<unsigned char>(word[0]));
    std::map<std::uint32_t, std::uint32_t> targets{{first, 1}};
    if (i + 1 < word.size()) {
      targets[next] = static_cast<std::uint32_t>(i + 1);
    } else {
      targets[next] = kUnlimited;  // the word is complete
    }
    CharDfa::State state{{}, true};
    std::uint32_t low = 0;
    for (const auto& [c, target] : targets) {
      if (c > low) state.ranges.push_back({low, c - 1, 0});
      if (target != kUnlimited) state.ranges.push_back({c, c, target});
      low = c + 1;
    }
    state.ranges.push_back({low, kMaxCodePoint, 0});
    dfa.states.push_back(std::move(state));
  }
  return dfa;
}

std::shared_ptr<const Program> compile_text(CharDfa automaton, CompileBudget& budget) {
  ProgramBuilder builder({}, budget);
  const RuleId root = builder.add_rule();
  if (!automaton.empty()) {
    StringBody body;
    body.automaton = std::move(automaton);
    body.raw = true;
    builder.string(builder.start_of(root), std::move(body), builder.exit_of(root));
  }
  return std::make_shared<const Program>(builder.finish(root));
}

}  // namespace

std::shared_ptr<const Program> compile_text_regex(std::string_view pattern) {
  CompileBudget budget;
  return compile_text(compile_regex(pattern, RegexMatch::whole, budget), budget);
}

std::shared_ptr<const Program> compile_choice(std::span<const std::string> choices) {
  if (choices.empty()) fail(ErrorCode::invalid_argument, "choices: expected at least 1");
  for (const std::string& choice : choices) {
    if (choice.empty()) fail(ErrorCode::invalid_argument, "choices: an empty text");
    if (!is_valid_utf8(choice))
      fail(ErrorCode::invalid_argument, "choices: ", quoted(choice), " is not valid UTF-8");
  }
  CompileBudget budget;
  return compile_text(literal_strings(choices, budget), budget);
}

namespace {

// The arguments of a function: an object that matches its parameters.
RuleId arguments_rule(const ToolFunction& function, ProgramBuilder& builder, const AnyJson& any,
                      CompileBudget& budget) {
  if (function.parameters.empty()) return any.object;
  static const JsonTree kObject = parse_json_tree(R"({"type": "object"})", "schema");
  try {
    const JsonTree tree = parse_json_tree(function.parameters, "schema");
    return SchemaCompiler(tree, builder, any, budget).compile(&kObject);
  } catch (const Error& error) {
    fail(error.code(), "parameters of ", quoted(function.name), ": ", error.what());
  }
}

}  // namespace

std::shared_ptr<const Program> compile_tools(std::span<const ToolFunction> functions,
                                             const ToolOptions& options) {
  if (functions.empty()) fail(ErrorCode::invalid_argument, "tools: expected at least 1 function");
  CompileBudget budget;
  ProgramBuilder builder(options.json, budget);
  const AnyJson any = add_any_json(builder, budget);
  const RuleId root = builder.add_rule();
  const StateId call = builder.add_state(), body = builder.add_state(), object_end = builder.add_state(),
                after = builder.add_state();
  const std::string gap = options.json.spacing == JsonSpacing::spaced ? " " : "";
  bool found = false;
  for (const ToolFunction& function : functions) {
    if (function.name.empty() || !is_valid_utf8(function.name))
      fail(ErrorCode::invalid_argument, "tools: expected a function name, found ", quoted(function.name));
    if (!options.name.empty() && function.name != options.name) continue;
    found = true;
    const RuleId arguments = arguments_rule(function, builder, any, budget);
    const StateId before = builder.add_state(), behind = builder.add_state();
    builder.literal(body,
                    "{\"name\":" + gap + to_json_string(function.name) + "," + gap + "\"arguments\":" + gap,
                    before);
    builder.call(before, arguments, behind);
    builder.byte(behind, '}', object_end);
  }
  if (!found) fail(ErrorCode::invalid_argument, "tools: no function ", quoted(options.name));
  const std::string open(kToolCallBegin), close(kToolCallEnd);
  builder.literal(call, open + "\n", body);
  builder.literal(object_end, "\n" + close, after);
  const StateId exit = builder.exit_of(root);
  builder.empty(after, exit);
  if (options.parallel) builder.literal(after, "\n" + open + "\n", body);
  if (options.required || !options.name.empty()) {
    builder.empty(builder.start_of(root), call);
  } else {
    StringBody text;
    text.automaton = texts_without(open);
    text.raw = true;
    const StateId text_end = builder.add_state();
    builder.string(builder.start_of(root), std::move(text), text_end);
    builder.empty(text_end, call);
    builder.empty(text_end, exit);
  }
  Program program = builder.finish(root);
  program.added_tokens = {open, close};
  return std::make_shared<const Program>(std::move(program));
}

}  // namespace qwen::constraints
