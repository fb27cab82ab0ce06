// What a JSON schema means, as alternatives of plain rules: the form that schemas are merged, negated and compiled
// in.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "constraints/char_dfa.h"
#include "constraints/json_tree.h"
#include "constraints/number_dfa.h"

namespace qwen::constraints {

// One condition on a value: it matches a schema or equals a constant; or the opposite.
struct Condition {
  enum class Kind : std::uint8_t { schema, equals };
  const JsonTree* tree = nullptr;  // null: a schema that nothing matches
  Kind kind = Kind::schema;
  bool negated = false;
  friend auto operator<=>(const Condition&, const Condition&) = default;
};
// Conditions that all hold, sorted, without duplicates. Empty: any value.
using Conditions = std::vector<Condition>;

inline constexpr Condition kNothing{};

enum TypeBit : unsigned {
  kNullType = 1,
  kTrueType = 2,
  kFalseType = 4,
  kNumberType = 8,
  kStringType = 16,
  kArrayType = 32,
  kObjectType = 64,
  kAllTypes = 127,
};

struct NumberRules {
  NumberRule rule;
  std::optional<std::vector<Decimal>> values;  // only these
  std::vector<NumberRule> excluded;            // none that meets one of these
};

struct StringRule {
  std::uint32_t min = 0, max = kUnlimited;               // characters
  std::vector<std::shared_ptr<const CharDfa>> automata;  // each accepts the string
  std::optional<std::vector<std::string>> values;        // only these

  bool is_any() const noexcept { return min == 0 && max == kUnlimited && automata.empty() && !values; }
};
struct StringRules {
  StringRule rule;
  std::vector<StringRule> excluded;
};

struct ArrayRules {
  std::vector<Conditions> prefix;
  Conditions items;  // of those after the prefix
  std::uint32_t min = 0, max = kUnlimited;
};

struct ObjectRules {
  struct Property {
    std::string name;
    Conditions value;
    bool required = false;
  };
  struct Pattern {
    std::shared_ptr<const CharDfa> names;
    Conditions value;
  };
  // What one schema says of the names that it does not list: the values of all patterns that match the name, or,
  // if none matches, `others`.
  struct Unlisted {
    std::vector<Pattern> patterns;
    Conditions others;
  };
  std::vector<Property> properties;                   // in the schema's order
  std::vector<Unlisted> unlisted;                     // all apply
  std::vector<std::shared_ptr<const CharDfa>> names;  // every name matches each of these
  // The schema says itself that there may be other names than those listed.
  bool open = false;

  Property* find(std::string_view name);
};

// A value of one of the types, that meets the rules of its type.
struct Alternative {
  unsigned types = kAllTypes;
  NumberRules number;
  StringRules string;
  ArrayRules array;
  ObjectRules object;
};
using Alternatives = std::vector<Alternative>;

void add_condition(Conditions& conditions, Condition condition);
void add_conditions(Conditions& conditions, const Conditions& others);
bool is_impossible(const Conditions& conditions) noexcept;  // holds kNothing

// The value conditions of a name that `unlisted` speaks of.
Conditions conditions_of_name(const std::vector<ObjectRules::Unlisted>& unlisted, std::string_view name);

// Both hold.
Alternative intersect(const Alternative& a, const Alternative& b);

// Alternatives for the values that `a` excludes. Throws unsupported, with `keyword` as the culprit, for rules
// whose opposite has no such form.
Alternatives negate(const Alternative& a, const std::string& keyword);

}  // namespace qwen::constraints
