#include "constraints/schema_rules.h"

#include <algorithm>

#include "base/fail.h"

namespace qwen::constraints {
namespace {

template <class T>
std::optional<std::vector<T>> common_values(const std::optional<std::vector<T>>& a,
                                            const std::optional<std::vector<T>>& b) {
  if (!a) return b;
  if (!b) return a;
  std::vector<T> out;
  for (const T& value : *a)
    if (std::find(b->begin(), b->end(), value) != b->end()) out.push_back(value);
  return out;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void tighten(std::optional<Decimal>& bound, bool& open, const std::optional<Decimal>& other, bool other_open,
             bool is_low) {
  if (!other) return;
  const auto order = bound ? compare(*other, *bound) : std::strong_ordering::equal;
  if (!bound || (is_low ? order > 0 : order < 0)) {
    bound = other, open = other_open;
  } else if (order == 0) {
    open = open || other_open;
  }
}

NumberRules intersect(NumberRules a, const NumberRules& b) {
  tighten(a.rule.low, a.rule.low_open, b.rule.low, b.rule.low_open, true);
  tighten(a.rule.high, a.rule.high_open, b.rule.high, b.rule.high_open, false);
  a.rule.integer = a.rule.integer || b.rule.integer;
  append(a.rule.multiples, b.rule.multiples);
  a.values = common_values(a.values, b.values);
  append(a.excluded, b.excluded);
  return a;
}

StringRules intersect(StringRules a, const StringRules& b) {
  a.rule.min = std::max(a.rule.min, b.rule.min);
  a.rule.max = std::min(a.rule.max, b.rule.max);
  append(a.rule.automata, b.rule.automata);
  a.rule.values = common_values(a.rule.values, b.rule.values);
  append(a.excluded, b.excluded);
  return a;
}

ArrayRules intersect(const ArrayRules& a, const ArrayRules& b) {
  ArrayRules out = a;
  for (std::size_t i = 0; i < b.prefix.size(); ++i) {
    if (i >= out.prefix.size()) out.prefix.push_back(a.items);
    add_conditions(out.prefix[i], b.prefix[i]);
  }
  for (std::size_t i = b.prefix.size(); i < a.prefix.size(); ++i) add_conditions(out.prefix[i], b.items);
  add_conditions(out.items, b.items);
  out.min = std::max(a.min, b.min);
  out.max = std::min(a.max, b.max);
  return out;
}

ObjectRules intersect(const ObjectRules& a, const ObjectRules& b) {
  ObjectRules out = a;
  for (auto& property : out.properties) {
    const auto* other = const_cast<ObjectRules&>(b).find(property.name);
    add_conditions(property.value,
                   other != nullptr ? other->value : conditions_of_name(b.unlisted, property.name));
    property.required = property.required || (other != nullptr && other->required);
  }
  for (const auto& property : b.properties) {
    if (out.find(property.name) != nullptr) continue;
    out.properties.push_back(property);
    add_conditions(out.properties.back().value, conditions_of_name(a.unlisted, property.name));
  }
  append(out.unlisted, b.unlisted);
  append(out.names, b.names);
  out.open = a.open || b.open;
  return out;
}

Condition opposite(Condition condition) {
  condition.negated = !condition.negated;
  return condition;
}

Alternative of_type(TypeBit type) {
  Alternative out;
  out.types = type;
  return out;
}

class Negation {
 public:
  explicit Negation(const std::string& keyword) : keyword_(keyword) {}

  Alternatives of(const Alternative& a) {
    if (const unsigned others = kAllTypes & ~a.types; others != 0) {
      Alternative out;
      out.types = others;
      out_.push_back(std::move(out));
    }
    if (a.types & kNumberType) number(a.number);
    if (a.types & kStringType) string(a.string);
    if (a.types & kArrayType) array(a.array);
    if (a.types & kObjectType) object(a.object);
    return std::move(out_);
  }

 private:
  [[noreturn]] void unsupported(const char* what) const {
    fail(ErrorCode::unsupported, "schema: ", keyword_, ": not supported with ", what,
         " in a branch that must not match");
  }

  void number(const NumberRules& rules) {
    const auto excluding = [&](const NumberRule& rule) {
      Alternative out = of_type(kNumberType);
      out.number.excluded.push_back(rule);
      return out;
    };
    if (rules.values) {
      Alternative out = of_type(kNumberType);
      for (const Decimal& value : *rules.values) {
        NumberRule rule;
        rule.low = rule.high = value;
        out.number.excluded.push_back(rule);
      }
      out_.push_back(std::move(out));
    }
    if (!rules.rule.is_any()) out_.push_back(excluding(rules.rule));
    for (const NumberRule& rule : rules.excluded) {
      Alternative out = of_type(kNumberType);
      out.number.rule = rule;
      out_.push_back(std::move(out));
    }
  }

  void string(const StringRules& rules) {
    if (!rules.rule.is_any()) {
      Alternative out = of_type(kStringType);
      out.string.excluded.push_back(rules.rule);
      out_.push_back(std::move(out));
    }
    for (const StringRule& rule : rules.excluded) {
      Alternative out = of_type(kStringType);
      out.string.rule = rule;
      out_.push_back(std::move(out));
    }
  }

  void array(const ArrayRules& rules) {
    if (rules.min > 0) {
      Alternative out = of_type(kArrayType);
      out.array.max = rules.min - 1;
      out_.push_back(std::move(out));
    }
    if (rules.max != kUnlimited) {
      Alternative out = of_type(kArrayType);
      out.array.min = rules.max + 1;
      out_.push_back(std::move(out));
    }
    for (std::size_t i = 0; i < rules.prefix.size(); ++i) {
      for (const Condition& condition : rules.prefix[i]) {
        Alternative out = of_type(kArrayType);
        out.array.prefix.resize(i + 1);
        if (condition != kNothing) out.array.prefix[i] = {opposite(condition)};
        out.array.min = static_cast<std::uint32_t>(i + 1);
        out_.push_back(std::move(out));
      }
    }
    if (rules.items.empty()) return;
    if (!is_impossible(rules.items)) unsupported("\"items\"");
    Alternative out = of_type(kArrayType);
    out.array.min = static_cast<std::uint32_t>(rules.prefix.size() + 1);
    out_.push_back(std::move(out));
  }

  void object(const ObjectRules& rules) {
    for (const auto& property : rules.properties) {
      if (property.required) {
        Alternative out = of_type(kObjectType);
        out.object.properties.push_back({property.name, {kNothing}, false});
        out_.push_back(std::move(out));
      }
      for (const Condition& condition : property.value) {
        Alternative out = of_type(kObjectType);
        out.object.properties.push_back({property.name, {}, true});
        if (condition != kNothing) out.object.properties.back().value = {opposite(condition)};
        out_.push_back(std::move(out));
      }
    }
    if (!rules.names.empty()) unsupported("\"propertyNames\"");
    for (const auto& unlisted : rules.unlisted) {
      if (!unlisted.others.empty()) unsupported("\"additionalProperties\"");
      for (const auto& pattern : unlisted.patterns)
        if (!pattern.value.empty()) unsupported("\"patternProperties\"");
    }
  }

  const std::string& keyword_;
  Alternatives out_;
};

}  // namespace

ObjectRules::Property* ObjectRules::find(std::string_view name) {
  for (Property& property : properties)
    if (property.name == name) return &property;
  return nullptr;
}

void add_condition(Conditions& conditions, Condition condition) {
  const auto at = std::lower_bound(conditions.begin(), conditions.end(), condition);
  if (at == conditions.end() || *at != condition) conditions.insert(at, condition);
}

void add_conditions(Conditions& conditions, const Conditions& others) {
  for (const Condition& condition : others) add_condition(conditions, condition);
}

bool is_impossible(const Conditions& conditions) noexcept {
  return !conditions.empty() && conditions.front() == kNothing;
}

Conditions conditions_of_name(const std::vector<ObjectRules::Unlisted>& unlisted, std::string_view name) {
  Conditions out;
  for (const auto& group : unlisted) {
    bool matched = false;
    for (const auto& pattern : group.patterns) {
      if (!pattern.names->accepts(name)) continue;
      matched = true;
      add_conditions(out, pattern.value);
    }
    if (!matched) add_conditions(out, group.others);
  }
  return out;
}

Alternative intersect(const Alternative& a, const Alternative& b) {
  Alternative out;
  out.types = a.types & b.types;
  if (out.types & kNumberType) out.number = intersect(a.number, b.number);
  if (out.types & kStringType) out.string = intersect(a.string, b.string);
  if (out.types & kArrayType) out.array = intersect(a.array, b.array);
  if (out.types & kObjectType) out.object = intersect(a.object, b.object);
  return out;
}

Alternatives negate(const Alternative& a, const std::string& keyword) {
  return Negation(keyword).of(a);
}

}  // namespace qwen::constraints
