#include "constraints/schema_reader.h"

#include <algorithm>

namespace qwen::constraints {
namespace {

constexpr std::size_t kMaxAlternatives = 256;
constexpr int kMaxNesting = 64;  // of references and combinations inside each other

using Kind = JsonTree::Kind;

bool find_path(const JsonTree& from, const JsonTree& wanted, std::string& path) {
  if (&from == &wanted) return true;
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    const std::size_t length = path.size();
    path += "/" + (from.is(Kind::object) ? from.keys[i] : std::to_string(i));
    if (find_path(from.items[i], wanted, path)) return true;
    path.resize(length);
  }
  return false;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return std::string_view("0123456789abcdef").find(static_cast<char>(text[at] | 0x20));
    };
    if (text[i] == '%' && i + 2 < text.size() && digit(i + 1) < 16 && digit(i + 2) < 16) {
      out += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The next part of a JSON pointer that begins with '/', without the escapes.
std::string next_part(std::string_view& pointer) {
  pointer.remove_prefix(1);
  const std::string_view raw = pointer.substr(0, pointer.find('/'));
  pointer.remove_prefix(raw.size());
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '~' && i + 1 < raw.size() && (raw[i + 1] == '0' || raw[i + 1] == '1')) {
      out += raw[++i] == '0' ? '~' : '/';
    } else {
      out += raw[i];
    }
  }
  return out;
}

}  // namespace

SchemaReader::SchemaReader(const JsonTree& root, CompileBudget& budget) : root_(root), budget_(budget) {
  if (const JsonTree* id = root.find("$id"); id != nullptr && id->is(Kind::string)) id_ = id->text;
}

std::string SchemaReader::path_of(const JsonTree& tree) const {
  std::string path = "#";
  return find_path(root_, tree, path) ? path : "#";
}

void SchemaReader::refuse(const JsonTree& tree, const std::string& keyword, const std::string& why) const {
  fail(ErrorCode::unsupported, "schema at ", quoted(path_of(tree)), ": keyword ", quoted(keyword),
       why.empty() ? " is not supported" : ": " + why);
}

Alternatives SchemaReader::expand(const Conditions& conditions) {
  Alternatives out{Alternative{}};
  for (const Condition& condition : conditions) out = both(out, expand(condition));
  return out;
}

const Alternatives& SchemaReader::expand(const Condition& condition) {
  static const Alternatives kNone;
  if (condition == kNothing) return kNone;
  if (const auto it = expanded_.find(condition); it != expanded_.end()) return *it->second;
  if (in_progress_.contains(condition)) {
    if (probing_ > 0) throw Cycle{};
    refuse(*condition.tree, "$ref", "a schema that refers to itself without a value between");
  }
  if (depth_ >= kMaxNesting)
    fail(ErrorCode::unsupported, "schema at ", quoted(path_of(*condition.tree)), ": more than ", kMaxNesting,
         " references and combinations inside each other");
  struct Progress {
    SchemaReader& reader;
    const Condition& condition;
    Progress(SchemaReader& r, const Condition& c) : reader(r), condition(c) {
      reader.in_progress_.insert(condition), ++reader.depth_;
    }
    ~Progress() { reader.in_progress_.erase(condition), --reader.depth_; }
  };
  Alternatives out;
  {
    const Progress progress(*this, condition);
    if (condition.negated) {
      const Condition positive{condition.tree, condition.kind, false};
      out = negated(expand(positive), "not");
    } else if (condition.kind == Condition::Kind::equals) {
      out = expand_value(*condition.tree);
    } else {
      out = expand_schema(*condition.tree);
    }
  }
  return *(expanded_[condition] = std::make_unique<Alternatives>(std::move(out)));
}

Alternatives SchemaReader::expand_value(const JsonTree& value) {
  budget_.spend(20);
  Alternative out;
  const auto equals = [](const JsonTree& tree) {
    return Conditions{{&tree, Condition::Kind::equals, false}};
  };
  switch (value.kind) {
    case Kind::null: out.types = kNullType; break;
    case Kind::boolean: out.types = value.boolean ? kTrueType : kFalseType; break;
    case Kind::number:
      out.types = kNumberType;
      out.number.values.emplace({parse_decimal(value.text, "a constant")});
      break;
    case Kind::string:
      out.types = kStringType;
      out.string.rule.values.emplace({value.text});
      break;
    case Kind::array:
      out.types = kArrayType;
      for (const JsonTree& item : value.items) out.array.prefix.push_back(equals(item));
      out.array.items = {kNothing};
      out.array.min = out.array.max = static_cast<std::uint32_t>(value.items.size());
      break;
    case Kind::object:
      out.types = kObjectType;
      for (std::size_t i = 0; i < value.items.size(); ++i)
        out.object.properties.push_back({value.keys[i], equals(value.items[i]), true});
      out.object.unlisted.push_back({{}, {kNothing}});
      break;
  }
  return {std::move(out)};
}

// Scalars become one alternative.
Alternatives SchemaReader::expand_values(const std::vector<JsonTree>& values) {
  Alternative scalars;
  scalars.types = 0;
  Alternatives out;
  for (const JsonTree& value : values) {
    Alternative one = std::move(expand_value(value).front());
    if (one.types & (kArrayType | kObjectType)) {
      out.push_back(std::move(one));
      continue;
    }
    scalars.types |= one.types;
    if (one.types == kNumberType) {
      if (!scalars.number.values) scalars.number.values.emplace();
      scalars.number.values->push_back(one.number.values->front());
    } else if (one.types == kStringType) {
      if (!scalars.string.rule.values) scalars.string.rule.values.emplace();
      scalars.string.rule.values->push_back(value.text);
    }
  }
  if (scalars.types != 0) out.insert(out.begin(), std::move(scalars));
  return out;
}

Alternatives SchemaReader::both(const Alternatives& a, const Alternatives& b) {
  Alternatives out;
  for (const Alternative& x : a) {
    for (const Alternative& y : b) {
      budget_.spend(50 + (x.object.properties.size() + 1) * (y.object.properties.size() + 1) +
                    x.array.prefix.size() + y.array.prefix.size());
      Alternative one = intersect(x, y);
      if (one.types == 0) continue;
      if (a.size() + b.size() > 2 && !possible(one, 0)) continue;
      out.push_back(std::move(one));
      if (out.size() > kMaxAlternatives)
        fail(ErrorCode::unsupported, "schema: more than ", kMaxAlternatives, " combinations of alternatives");
    }
  }
  return out;
}

Alternatives SchemaReader::negated(const Alternatives& alternatives, const std::string& keyword) {
  Alternatives out{Alternative{}};
  for (const Alternative& one : alternatives) out = both(out, negate(one, keyword));
  return out;
}

bool SchemaReader::possible(const Conditions& conditions, int depth) {
  if (is_impossible(conditions)) return false;
  if (depth <= 0 || conditions.empty()) return true;
  ++probing_;
  bool found = false;
  try {
    for (const Alternative& one : expand(conditions)) found = found || possible(one, depth - 1);
  } catch (const Cycle&) {
    found = true;
  }
  --probing_;
  return found;
}

bool SchemaReader::possible(const Alternative& alternative, int depth) {
  if (alternative.types & (kNullType | kTrueType | kFalseType)) return true;
  if (alternative.types & kNumberType) {
    const NumberRules& rules = alternative.number;
    if (rules.values ? !allowed_numbers(rules, budget_).empty()
                     : (rules.rule.is_any() && rules.excluded.empty()) ||
                           !number_automata(rules, budget_).front().empty())
      return true;
  }
  if (alternative.types & kStringType) {
    const StringRules& rules = alternative.string;
    if (rules.rule.values
            ? !allowed_strings(rules).empty()
            : rules.rule.min <= rules.rule.max && (depth == 0 || !string_automaton(rules, budget_).empty()))
      return true;
  }
  if (alternative.types & kArrayType) {
    const ArrayRules& array = alternative.array;
    bool ok = array.min <= array.max;
    for (std::size_t i = 0; ok && i < array.prefix.size() && i < array.min; ++i)
      ok = possible(array.prefix[i], depth);
    if (ok && array.min > array.prefix.size()) ok = possible(array.items, depth);
    if (ok) return true;
  }
  if (alternative.types & kObjectType) {
    bool ok = true;
    for (const auto& property : alternative.object.properties)
      if (ok && property.required) ok = possible(property.value, depth);
    if (ok) return true;
  }
  return false;
}

bool SchemaReader::overlap(const Alternatives& a, const Alternatives& b) {
  constexpr int kProbeDepth = 3;
  for (const Alternative& one : both(a, b))
    if (possible(one, kProbeDepth)) return true;
  return false;
}

Alternatives SchemaReader::any_of(const JsonTree& tree, const std::string& key, const JsonTree& value) {
  Alternatives out;
  for (const JsonTree& branch : list(tree, key, value).items) {
    const Alternatives& more = expand(Condition{&branch});
    out.insert(out.end(), more.begin(), more.end());
    if (out.size() > kMaxAlternatives)
      refuse(tree, key, cat("more than ", kMaxAlternatives, " alternatives"));
  }
  return out;
}

Alternatives SchemaReader::one_of(const JsonTree& tree, const JsonTree& value) {
  std::vector<Alternatives> branches;
  for (const JsonTree& branch : list(tree, "oneOf", value).items)
    branches.push_back(expand(Condition{&branch}));
  Alternatives out;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    Alternatives only = branches[i];
    for (std::size_t j = 0; j < branches.size(); ++j) {
      if (i == j || !overlap(branches[i], branches[j])) continue;
      only = both(only, negated(branches[j], "oneOf"));
    }
    out.insert(out.end(), only.begin(), only.end());
    if (out.size() > kMaxAlternatives)
      refuse(tree, "oneOf", cat("more than ", kMaxAlternatives, " alternatives"));
  }
  return out;
}

Alternatives SchemaReader::if_then_else(const JsonTree& tree, const JsonTree& condition) {
  const JsonTree* then_tree = tree.find("then");
  const JsonTree* else_tree = tree.find("else");
  if (then_tree == nullptr && else_tree == nullptr) return {Alternative{}};
  const auto branch = [&](const JsonTree* branch_tree) {
    return branch_tree == nullptr ? Alternatives{Alternative{}} : expand(Condition{branch_tree});
  };
  const Alternatives matching = expand(Condition{&condition});
  Alternatives out = both(matching, branch(then_tree));
  const Alternatives other = both(negated(matching, "if"), branch(else_tree));
  out.insert(out.end(), other.begin(), other.end());
  return out;
}

// dependentRequired and dependentSchemas: the name is absent, or the rest holds.
Alternatives SchemaReader::dependent(const JsonTree& tree, const std::string& key, const JsonTree& value) {
  if (!value.is(Kind::object)) bad(tree, key, ": expected an object, found ", shown(value));
  Alternatives out{Alternative{}};
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    Alternative absent, present;
    absent.object.properties.push_back({value.keys[i], {kNothing}, false});
    present.types = kObjectType;
    present.object.properties.push_back({value.keys[i], {}, true});
    Alternatives rest{present};
    if (key == "dependentRequired") {
      for (const JsonTree& name : list(tree, key, value.items[i]).items) {
        if (!name.is(Kind::string))
          bad(tree, key, ": expected a list of names, found ", shown(value.items[i]));
        if (rest[0].object.find(name.text) == nullptr)
          rest[0].object.properties.push_back({name.text, {}, true});
      }
    } else {
      rest = both(rest, expand(Condition{&value.items[i]}));
    }
    rest.insert(rest.begin(), std::move(absent));
    out = both(out, rest);
  }
  return out;
}

bool SchemaReader::combining_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value,
                                     Alternatives& out) {
  if (key == "$ref") {
    out = both(out, expand(Condition{&resolve(tree, value)}));
  } else if (key == "allOf") {
    for (const JsonTree& part : list(tree, key, value).items) out = both(out, expand(Condition{&part}));
  } else if (key == "anyOf") {
    out = both(out, any_of(tree, key, value));
  } else if (key == "oneOf") {
    out = both(out, one_of(tree, value));
  } else if (key == "not") {
    out = both(out, negated(expand(Condition{&value}), "not"));
  } else if (key == "if") {
    out = both(out, if_then_else(tree, value));
  } else if (key == "dependentRequired" || key == "dependentSchemas") {
    out = both(out, dependent(tree, key, value));
  } else if (key == "enum") {
    if (!value.is(Kind::array)) bad(tree, key, ": expected an array, found ", shown(value));
    out = both(out, expand_values(value.items));
  } else if (key == "const") {
    out = both(out, expand_value(value));
  } else {
    return false;
  }
  return true;
}

Alternatives SchemaReader::expand_schema(const JsonTree& tree) {
  if (tree.is(Kind::boolean)) return tree.boolean ? Alternatives{Alternative{}} : Alternatives{};
  if (!tree.is(Kind::object)) bad(tree, "expected an object, true or false, found ", shown(tree));
  budget_.spend(100 + 20 * tree.items.size());
  Alternative own;
  for (std::size_t i = 0; i < tree.items.size(); ++i) {
    const std::string& key = tree.keys[i];
    const JsonTree& value = tree.items[i];
    if (key == "type") {
      bool integer = false;
      own.types = types(tree, value, integer);
      own.number.rule.integer = integer;
    } else if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" ||
               key == "exclusiveMaximum" || key == "multipleOf") {
      number_keyword(tree, key, value, own.number.rule);
    } else if (!string_keyword(tree, key, value, own)) {
      array_keyword(tree, key, value, own);
    }
  }
  object_keywords(tree, own);
  Alternatives out{std::move(own)};
  if (out.front().types == 0 || !possible(out.front(), 0)) out.clear();
  for (std::size_t i = 0; i < tree.items.size(); ++i) {
    const std::string& key = tree.keys[i];
    static const std::set<std::string, std::less<>> kPlain{"type",
                                                           "minimum",
                                                           "maximum",
                                                           "exclusiveMinimum",
                                                           "exclusiveMaximum",
                                                           "multipleOf",
                                                           "minLength",
                                                           "maxLength",
                                                           "pattern",
                                                           "format",
                                                           "minItems",
                                                           "maxItems",
                                                           "prefixItems",
                                                           "items",
                                                           "properties",
                                                           "required",
                                                           "additionalProperties",
                                                           "patternProperties",
                                                           "propertyNames"};
    if (kPlain.contains(key) || combining_keyword(tree, key, tree.items[i], out)) continue;
    if (!is_annotation(tree, key, tree.items[i])) refuse(tree, key);
  }
  return out;
}

const JsonTree& SchemaReader::resolve(const JsonTree& tree, const JsonTree& reference) const {
  if (!reference.is(Kind::string)) bad(tree, "$ref: expected a string, found ", shown(reference));
  std::string_view text = reference.text;
  if (!id_.empty() && text.starts_with(id_) && (text.size() == id_.size() || text[id_.size()] == '#'))
    text.remove_prefix(id_.size());
  if (!text.empty() && text.front() != '#')
    refuse(tree, "$ref",
           cat("expected a reference into this schema (#/...), found ", quoted(reference.text)));
  if (!text.empty()) text.remove_prefix(1);
  const std::string decoded = percent_decoded(text);
  std::string_view pointer = decoded;
  const JsonTree* at = &root_;
  while (!pointer.empty()) {
    if (pointer.front() != '/')
      refuse(tree, "$ref", cat("expected a JSON pointer (#/...), found ", quoted(reference.text)));
    const std::string part = next_part(pointer);
    const JsonTree* next = nullptr;
    if (at->is(Kind::object)) {
      next = at->find(part);
    } else if (at->is(Kind::array) && !part.empty() && part.size() < 7 &&
               part.find_first_not_of("0123456789") == std::string::npos &&
               std::stoul(part) < at->items.size()) {
      next = &at->items[std::stoul(part)];
    }
    if (next == nullptr) bad(tree, "$ref: ", quoted(reference.text), " does not exist");
    at = next;
  }
  return *at;
}

}  // namespace qwen::constraints
