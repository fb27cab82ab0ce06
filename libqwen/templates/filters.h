// The tables of Jinja's filters, and what the filters share.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "templates/interpreter.h"

namespace qwen::templates {

struct Filter {
  std::string_view name;
  Value (*apply)(Interpreter&, const Value&, const Call&);
};

std::span<const Filter> number_filters();
std::span<const Filter> text_filters();
std::span<const Filter> sequence_filters();

// A chain of attributes "a.b.0", by Jinja's getitem.
class AttributePath {
 public:
  // None is the empty path. `otherwise` replaces each undefined value on the way; null: nothing does.
  AttributePath(const Value& path, const Value* otherwise);
  Value get(Interpreter& in, Value value) const;

 private:
  std::vector<Value> parts_;
  const Value* otherwise_;
};

// The argument `i`; None if it was not given.
Value given_or_none(const Bound& args, std::size_t i);

}  // namespace qwen::templates
