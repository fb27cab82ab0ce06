// Executes a template's tree.
#pragma once
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "templates/ast.h"
#include "templates/value.h"

namespace qwen::templates {

// Variables of a block; lookups continue in the parent. Names point into the tree or are literals.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string_view, Value>> variables;

  const Value* find_here(std::string_view name) const;
  void set(std::string_view name, Value value);
};

struct MacroHeap : Heap {
  const MacroNode* node = nullptr;
  std::shared_ptr<Scope> scope;  // where it was defined
};

// Evaluated arguments of a call.
struct Call {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

// Arguments by the names of the parameters, as Python binds them.
class Bound {
 public:
  // Throws if there are too many arguments, an unknown keyword, or fewer than `required`.
  Bound(const Call& call, std::string_view function, std::initializer_list<std::string_view> names,
        std::size_t required = 0);
  const Value* get(std::size_t i) const { return values_[i]; }  // null: not given
  bool given(std::size_t i) const { return values_[i] != nullptr; }
  bool flag(std::size_t i, bool otherwise) const { return given(i) ? is_true(*get(i)) : otherwise; }
  // Throws if the argument is not an int.
  std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  std::string string(std::size_t i, std::string_view otherwise) const;  // throws if it is not a str

 private:
  std::string function_;
  std::vector<const Value*> values_;
};

// The elements of a value, one at a time.
class Elements {
 public:
  explicit Elements(Value source);  // throws if the value cannot be iterated
  bool next(Value& out);
  std::optional<std::int64_t> size() const;  // nullopt: a generator

 private:
  Value source_;
  std::size_t at_ = 0;
  std::vector<std::size_t> offsets_;  // of a string's characters
};

enum class Flow { normal, loop_break, loop_continue };

class Interpreter {
 public:
  // `now`: what strftime_now() prints.
  Interpreter(const Limits& limits, std::time_t now) : budget_(limits), now_(now) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void define(std::string_view name, Value value) { root_->set(name, std::move(value)); }
  // Throws Error with line and column of the template. The tree must outlive the interpreter.
  Text render(const Body& body);

  Budget& budget() noexcept { return budget_; }
  Value apply_filter(std::string_view name, const Value& value, const Call& call);
  bool apply_test(std::string_view name, const Value& value, const Call& call);
  Value get_attribute(const Value& object, const std::string& name);
  Value get_item(const Value& object, const Value& key);
  Value call(const Value& function, const Call& call);
  std::vector<Value> to_vector(const Value& iterable);
  std::string format_time(const std::string& format) const;

 private:
  friend struct LoopHeap;
  class DepthGuard;
  using ScopePtr = std::shared_ptr<Scope>;

  // statements.cpp
  Flow run(const Body& body, const ScopePtr& scope);
  Flow run(const Node* nodes, std::size_t count, const ScopePtr& scope);
  Flow run_node(const Node& node, const ScopePtr& scope);
  Flow run_condition(const Node& node, const ScopePtr& scope);
  Flow run_loop(const Node& node, const ScopePtr& scope);
  Flow run_loop_over(const Node& node, const ScopePtr& scope, Value iterable, std::int64_t depth);
  Flow run_captured(const Body& body, const ScopePtr& scope, Text& out);
  Flow run_set_block(const Node& node, const ScopePtr& scope);
  Flow run_filter_block(const Node& node, const ScopePtr& scope);
  Flow run_with(const Node& node, const ScopePtr& scope);
  void run_call_block(const Node& node, const ScopePtr& scope);
  void write(const Text& text);
  void assign(const Target& target, Value value, Scope& scope, const ScopePtr& names);
  Value make_macro(const MacroNode& node, const ScopePtr& scope);
  Value call_macro(const MacroHeap& macro, const Call& call);
  Value call_loop(const Value& loop, const Call& call);

  // evaluator.cpp
  Value eval(const Expr& expr, const ScopePtr& scope);
  Value eval_operation(const Expr& expr, const ScopePtr& scope);
  Value eval_name(const Expr& expr, const ScopePtr& scope);
  Value eval_items(const Expr& expr, const ScopePtr& scope);
  Value eval_dict(const Expr& expr, const ScopePtr& scope);
  Value eval_slice(const Expr& expr, const ScopePtr& scope);
  Value eval_call(const Expr& expr, const ScopePtr& scope);
  Value eval_compare(const Expr& expr, const ScopePtr& scope);
  Value eval_concat(const Expr& expr, const ScopePtr& scope);
  Value eval_filter(const Expr& expr, const Value& value, const ScopePtr& scope);
  Value eval_conditional(const Expr& expr, const ScopePtr& scope);
  Call eval_arguments(const Arguments& arguments, const ScopePtr& scope);
  Value call_function(const std::string& name, const Call& call);
  Value make_namespace(const Call& call);
  void set_place(Place place) noexcept { place_ = place; }

  Budget budget_;
  std::time_t now_;
  ScopePtr root_ = std::make_shared<Scope>(nullptr);
  Text* out_ = nullptr;
  Place place_;
  int depth_ = 0;
  // What may refer to itself is emptied at the end, so that nothing is kept alive.
  std::vector<std::shared_ptr<NamespaceHeap>> namespaces_;
  std::vector<ScopePtr> macro_scopes_;
};

// The variable `loop`.
struct LoopHeap : Heap {
  LoopHeap(Interpreter& owner, const Node& loop, std::shared_ptr<Scope> outer, Value iterable,
           std::int64_t level)
      : interpreter(owner),
        node(loop),
        scope(std::move(outer)),
        elements(std::move(iterable)),
        depth0(level) {}

  Interpreter& interpreter;
  const Node& node;
  std::shared_ptr<Scope> scope;  // around the loop
  mutable Elements elements;
  std::int64_t depth0;
  mutable std::int64_t index0 = -1;
  mutable std::optional<Value> before, current, after;
  mutable std::vector<Value> rest;  // read ahead to know the length
  mutable std::size_t rest_at = 0;
  mutable std::optional<std::int64_t> known_length;
  mutable std::optional<std::vector<Value>> last_changed;

  bool advance() const;  // to the next element; false at the end
  const std::optional<Value>& peek() const;
  std::int64_t length() const;
  // nullopt: no such attribute
  std::optional<Value> attribute(std::string_view name, const Value& self) const;

 private:
  bool read(Value& out) const;  // the next element that passes the condition
};

// `text` for one line of a message: control characters are dropped.
std::string quoted_inside(std::string_view text);

// operators.cpp
Value add(const Value& a, const Value& b, Budget& budget);
Value apply_operator(std::string_view op, const Value& a, const Value& b, Budget& budget);
Value negate(const Value& value);
Value plus(const Value& value);
Value slice(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget);
Value index(const Value& sequence, std::int64_t position, bool& found);
Text format_percent(const Text& format, const std::vector<Value>& values, const Value* mapping,
                    Budget& budget);

// methods.cpp
// Whether Python's type has a method of this name.
bool has_method(const Value& object, std::string_view name);
// Whether the sandbox refuses it because it would change the object.
bool is_mutating_method(const Value& object, std::string_view name);
// Text::replace, with what it does and makes counted first.
Text bounded_replace(const Text& text, const std::string& from, const Text& to, std::int64_t limit,
                     Budget& budget);
Value call_method(Interpreter& interpreter, const Value& self, const std::string& name, const Call& call);

}  // namespace qwen::templates
