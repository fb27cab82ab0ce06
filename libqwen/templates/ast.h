// The syntax tree of a template.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "templates/lexer.h"
#include "templates/value.h"

namespace qwen::templates {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  ExprPtr more_positional, more_keywords;  // *list, **dict
};

enum class ExprKind {
  constant,     // value
  name,         // text
  list,         // children
  tuple,        // children
  dict,         // children: key, value, key, value, ...
  attribute,    // children[0].text
  item,         // children[0][children[1]]
  slice,        // children[0][children[1] : children[2] : children[3]], the bounds may be null
  call,         // children[0](arguments)
  filter,       // children[0] | text(arguments); children[0] is null in a filter block
  test,         // children[0] is text(arguments)
  negate,       // -children[0]
  plus,         // +children[0]
  logical_not,  // not children[0]
  logical_and,
  logical_or,
  conditional,  // children[0] if children[1] else children[2], which may be null
  compare,      // children[0] operators[0] children[1] operators[1] ...
  binary,       // children[0] text children[1]
  concat,       // children joined by ~
};

struct Expr {
  ExprKind kind;
  Place place;
  std::string text;
  Value value;
  std::vector<ExprPtr> children;
  std::vector<std::string> operators;  // of compare: "==", "in", "not in", ...
  Arguments arguments;
  int depth = 1;  // of the tree below
};

// What an assignment writes to.
struct Target {
  Place place;
  std::string name;           // a variable, or a namespace
  std::string attribute;      // of the namespace, if not empty
  std::vector<Target> parts;  // several targets, unpacked
  bool is_tuple = false;
};

struct Node;
using Body = std::vector<Node>;

struct Parameter {
  std::string name;
  ExprPtr default_value;  // null: none
};

// A macro, or the body of a call block.
struct MacroNode {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

enum class NodeKind {
  text,          // text
  output,        // expr
  set,           // target = expr
  set_block,     // target = body, through the filter `expr` if it is not null
  condition,     // if expr: body; else the first `alternatives` of else_body (elif), then the rest of it
  loop,          // for target in expr if condition: body, else: else_body
  macro,         // macro
  call_block,    // expr: the call; macro: the body
  filter_block,  // body through the filter `expr`
  scope,         // body in a scope of its own: generation
  with,          // body in a scope with the variables `with`
  loop_break,
  loop_continue,
};

struct Node {
  NodeKind kind;
  Place place;
  Text text;
  Target target;
  ExprPtr expr, condition;
  Body body, else_body;
  std::vector<std::pair<Target, ExprPtr>> with;
  std::unique_ptr<MacroNode> macro;
  std::size_t alternatives = 0;
  bool recursive = false;
};

// Throws Error(bad_format) if the text is not valid Jinja, Error(unsupported) if it uses a part of Jinja that
// is not implemented; both with line and column.
Body parse_template(std::string_view source);

// What filters and tests there are. `supported` false: Jinja has it, this library does not.
struct KnownName {
  bool known = false, supported = false;
};
KnownName find_filter(std::string_view name);
KnownName find_test(std::string_view name);

}  // namespace qwen::templates
