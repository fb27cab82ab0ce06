// Reads a JSON schema (2020-12) into alternatives of plain rules.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/fail.h"
#include "constraints/schema_rules.h"

namespace qwen::constraints {

// The tree must outlive the reader. Every keyword is either enforced, or an annotation, or refused by name.
class SchemaReader {
 public:
  SchemaReader(const JsonTree& root, CompileBudget& budget);

  // The alternatives for values that meet all of `conditions`; none: there is no such value.
  // Throws bad_format for a malformed schema.
  // Throws unsupported for a keyword that is not enforced, and for schemas that are too complex.
  Alternatives expand(const Conditions& conditions);

  const JsonTree& root() const noexcept { return root_; }
  CompileBudget& budget() const noexcept { return budget_; }

 private:
  struct Cycle {};  // thrown while probing

  const Alternatives& expand(const Condition& condition);
  Alternatives expand_schema(const JsonTree& tree);
  Alternatives expand_value(const JsonTree& value);
  Alternatives expand_values(const std::vector<JsonTree>& values);

  void number_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value, NumberRule& rule);
  bool string_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value, Alternative& out);
  bool array_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value, Alternative& out);
  void object_keywords(const JsonTree& tree, Alternative& out);
  bool combining_keyword(const JsonTree& tree, const std::string& key, const JsonTree& value,
                         Alternatives& out);
  bool is_annotation(const JsonTree& tree, const std::string& key, const JsonTree& value) const;
  unsigned types(const JsonTree& tree, const JsonTree& value, bool& integer) const;

  Alternatives one_of(const JsonTree& tree, const JsonTree& value);
  Alternatives if_then_else(const JsonTree& tree, const JsonTree& condition);
  Alternatives dependent(const JsonTree& tree, const std::string& key, const JsonTree& value);
  Alternatives negated(const Alternatives& alternatives, const std::string& keyword);
  Alternatives both(const Alternatives& a, const Alternatives& b);
  Alternatives any_of(const JsonTree& tree, const std::string& key, const JsonTree& value);

  // False if no value can meet the alternative. May be true in error for deeply nested rules.
  bool possible(const Alternative& alternative, int depth);
  bool possible(const Conditions& conditions, int depth);
  bool overlap(const Alternatives& a, const Alternatives& b);

  const JsonTree& resolve(const JsonTree& tree, const JsonTree& reference) const;
  std::string path_of(const JsonTree& tree) const;
  std::uint32_t count(const JsonTree& tree, const std::string& key, const JsonTree& value) const;
  const JsonTree& list(const JsonTree& tree, const std::string& key, const JsonTree& value) const;
  template <class... Parts>
  [[noreturn]] void bad(const JsonTree& tree, const Parts&... parts) const {
    fail(ErrorCode::bad_format, "schema at ", quoted(path_of(tree)), ": ", parts...);
  }
  static std::string shown(const JsonTree& value) { return quoted(to_json(value), 60); }
  [[noreturn]] void refuse(const JsonTree& tree, const std::string& keyword,
                           const std::string& why = {}) const;

  const JsonTree& root_;
  CompileBudget& budget_;
  std::string id_;  // the root's $id
  std::map<Condition, std::unique_ptr<Alternatives>> expanded_;
  std::set<Condition> in_progress_;
  int probing_ = 0;
  int depth_ = 0;
};

// The strings that meet the rules, as one automaton.
CharDfa string_automaton(const StringRules& rules, CompileBudget& budget);
// The strings of `rules.values` that meet them.
std::vector<std::string> allowed_strings(const StringRules& rules);
// The numbers of `rules.values` that meet them.
std::vector<Decimal> allowed_numbers(const NumberRules& rules, CompileBudget& budget);
// The numbers that meet the rules: automata whose union they are.
std::vector<NumberDfa> number_automata(const NumberRules& rules, CompileBudget& budget);

}  // namespace qwen::constraints
