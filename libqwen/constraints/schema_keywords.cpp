// The keywords of a schema that need no other schema's alternatives.
#include <map>

#include "constraints/regex.h"
#include "constraints/schema_reader.h"
#include "constraints/string_formats.h"

namespace qwen::constraints {

using Kind = JsonTree::Kind;

unsigned SchemaReader::types(const JsonTree& tree, const JsonTree& value, bool& integer) const {
  const auto bit = [&](const JsonTree& name) -> unsigned {
    static const std::map<std::string, unsigned, std::less<>> kBits{
        {"null", kNullType},     {"boolean", kTrueType | kFalseType},
        {"number", kNumberType}, {"integer", kNumberType},
        {"string", kStringType}, {"array", kArrayType},
        {"object", kObjectType}};
    const auto it = name.is(Kind::string) ? kBits.find(name.text) : kBits.end();
    if (it == kBits.end())
      bad(tree, "type: expected null, boolean, number, integer, string, array or object, found ",
          shown(name));
    return it->second;
  };
  if (!value.is(Kind::array)) {
    integer = value.text == "integer";
    return bit(value);
  }
  unsigned out = 0;
  bool number = false;
  for (const JsonTree& name : value.items) {
    out |= bit(name);
    integer = integer || name.text == "integer";
    number = number || name.text == "number";
  }
  integer = integer && !number;
  return out;
}

void SchemaReader::number_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value,
                                  NumberRule& rule) {
  if (!value.is(Kind::number)) bad(tree, key, ": expected a number, found ", shown(value));
  const Decimal number = parse_decimal(value.text, key);
  if (key == "multipleOf") {
    if (number.negative || number.is_zero())
      bad(tree, "multipleOf: expected a number above 0, found ", value.text);
    rule.multiples.push_back(number);
    return;
  }
  const bool low = key == "minimum" || key == "exclusiveMinimum";
  const bool open = key.starts_with("exclusive");
  std::optional<Decimal>& bound = low ? rule.low : rule.high;
  bool& is_open = low ? rule.low_open : rule.high_open;
  const auto order = bound ? compare(number, *bound) : std::strong_ordering::equal;
  if (!bound || (low ? order > 0 : order < 0)) {
    bound = number, is_open = open;
  } else if (order == 0) {
    is_open = is_open || open;
  }
}

std::uint32_t SchemaReader::count(const JsonTree& tree, const std::string& key, const JsonTree& value) const {
  const auto expected = [&] {
    bad(tree, key, ": expected a whole number of 0 or more, found ", shown(value));
  };
  if (!value.is(Kind::number)) expected();
  const Decimal number = parse_decimal(value.text, key);
  if (number.negative || !number.is_integer()) expected();
  if (number.integer.size() > 9) refuse(tree, key, "values above 999999999 are not supported");
  return number.integer.empty() ? 0 : static_cast<std::uint32_t>(std::stoul(number.integer));
}

const JsonTree& SchemaReader::list(const JsonTree& tree, const std::string& key,
                                   const JsonTree& value) const {
  if (!value.is(Kind::array)) bad(tree, key, ": expected an array, found ", shown(value));
  return value;
}

bool SchemaReader::string_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value,
                                  Alternative& out) {
  StringRule& rule = out.string.rule;
  if (key == "minLength") {
    rule.min = count(tree, key, value);
  } else if (key == "maxLength") {
    rule.max = count(tree, key, value);
  } else if (key == "pattern") {
    if (!value.is(Kind::string)) bad(tree, key, ": expected a string, found ", shown(value));
    rule.automata.push_back(
        std::make_shared<const CharDfa>(compile_regex(value.text, RegexMatch::search, budget_)));
  } else if (key == "format") {
    if (!value.is(Kind::string)) bad(tree, key, ": expected a string, found ", shown(value));
    const std::string_view pattern = format_pattern(value.text);
    if (pattern.empty())
      refuse(tree, key,
             cat(quoted(value.text), " is not supported (date, time, date-time, uuid, email and ipv4 are)"));
    rule.automata.push_back(
        std::make_shared<const CharDfa>(compile_regex(pattern, RegexMatch::search, budget_)));
  } else {
    return false;
  }
  return true;
}

bool SchemaReader::array_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value,
                                 Alternative& out) {
  ArrayRules& array = out.array;
  if (key == "minItems") {
    array.min = count(tree, key, value);
  } else if (key == "maxItems") {
    array.max = count(tree, key, value);
  } else if (key == "prefixItems") {
    for (const JsonTree& item : list(tree, key, value).items) array.prefix.push_back({Condition{&item}});
  } else if (key == "items") {
    if (value.is(Kind::array)) refuse(tree, key, "an array of schemas is not supported: use prefixItems");
    if (value.is(Kind::boolean)) {
      if (!value.boolean) array.items = {kNothing};
    } else {
      array.items = {Condition{&value}};
    }
  } else {
    return false;
  }
  return true;
}

void SchemaReader::object_keywords(const JsonTree& tree, Alternative& out) {
  ObjectRules& object = out.object;
  const auto members = [&](const char* key) -> const JsonTree* {
    const JsonTree* value = tree.find(key);
    if (value != nullptr && !value->is(Kind::object))
      bad(tree, key, ": expected an object, found ", shown(*value));
    return value;
  };
  const auto conditions = [](const JsonTree& schema) {
    if (schema.is(Kind::boolean)) return schema.boolean ? Conditions{} : Conditions{kNothing};
    return Conditions{Condition{&schema}};
  };
  ObjectRules::Unlisted unlisted;
  if (const JsonTree* patterns = members("patternProperties")) {
    for (std::size_t i = 0; i < patterns->items.size(); ++i) {
      unlisted.patterns.push_back(
          {std::make_shared<const CharDfa>(compile_regex(patterns->keys[i], RegexMatch::search, budget_)),
           conditions(patterns->items[i])});
    }
    object.open = true;
  }
  if (const JsonTree* others = tree.find("additionalProperties")) {
    unlisted.others = conditions(*others);
    if (!is_impossible(unlisted.others)) object.open = true;
  }
  if (!unlisted.patterns.empty() || !unlisted.others.empty()) object.unlisted.push_back(unlisted);
  if (const JsonTree* properties = members("properties")) {
    budget_.spend(properties->items.size() * 20);
    for (std::size_t i = 0; i < properties->items.size(); ++i) {
      const std::string& name = properties->keys[i];
      Conditions value = conditions(properties->items[i]);
      for (const auto& pattern : unlisted.patterns)
        if (pattern.names->accepts(name)) add_conditions(value, pattern.value);
      object.properties.push_back({name, std::move(value), false});
    }
  }
  if (const JsonTree* required = tree.find("required")) {
    for (const JsonTree& name : list(tree, "required", *required).items) {
      if (!name.is(Kind::string)) bad(tree, "required: expected a list of names, found ", shown(*required));
      budget_.spend(10 + object.properties.size() / 4);
      if (ObjectRules::Property* property = object.find(name.text)) {
        property->required = true;
      } else {
        object.properties.push_back({name.text, conditions_of_name(object.unlisted, name.text), true});
      }
    }
  }
  if (const JsonTree* names = tree.find("propertyNames")) {
    CharDfa none = any_string();  // names that no alternative allows
    for (const Alternative& one : expand(Condition{names}))
      if (one.types & kStringType)
        none =
            intersect(none, subtract(any_string(), string_automaton(one.string, budget_), budget_), budget_);
    auto allowed = std::make_shared<const CharDfa>(subtract(any_string(), none, budget_));
    for (auto& property : object.properties)
      if (!allowed->accepts(property.name)) add_condition(property.value, kNothing);
    object.names.push_back(std::move(allowed));
  }
}

bool SchemaReader::is_annotation(const JsonTree& tree, const std::string& key, const JsonTree& value) const {
  static const std::set<std::string, std::less<>> kHarmless{
      "title",          "description",     "default",          "examples",     "example",     "deprecated",
      "readOnly",       "writeOnly",       "$comment",         "$defs",        "definitions", "$anchor",
      "$dynamicAnchor", "contentEncoding", "contentMediaType", "contentSchema"};
  if (kHarmless.contains(key) || key.starts_with("x-")) return true;
  if (key == "then" || key == "else") return true;  // read with "if"; without it they mean nothing
  if (key == "minContains" || key == "maxContains") return tree.find("contains") == nullptr;
  if (key == "uniqueItems" || key == "$recursiveAnchor") return value.is(Kind::boolean) && !value.boolean;
  if (key == "minProperties") return count(tree, key, value) == 0;
  if (key == "unevaluatedItems" || key == "unevaluatedProperties")
    return value.is(Kind::boolean) && value.boolean;
  if (key == "$id" || key == "id") return &tree == &root_;
  if (key == "$schema") {
    std::string_view name = value.text;
    if (name.ends_with('#')) name.remove_suffix(1);
    static const std::set<std::string, std::less<>> kDrafts{
        "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",       "https://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",       "http://json-schema.org/schema"};
    return kDrafts.contains(name);
  }
  return false;
}

}  // namespace qwen::constraints
