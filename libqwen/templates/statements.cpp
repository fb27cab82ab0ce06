// Statements, loops and macros.
#include <algorithm>

#include "templates/interpreter.h"

namespace qwen::templates {

const Value* Scope::find_here(std::string_view name) const {
  for (const auto& [own, value] : variables)
    if (own == name) return &value;
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  for (auto& [own, old] : variables) {
    if (own != name) continue;
    old = std::move(value);
    return;
  }
  variables.emplace_back(name, std::move(value));
}

Interpreter::~Interpreter() {
  for (const auto& name_space : namespaces_) name_space->attributes.clear();
  for (const auto& scope : macro_scopes_) scope->variables.clear();
}

Text Interpreter::render(const Body& body) {
  Text out;
  out_ = &out;
  try {
    // A scope of its own: what the template sets hides the variables of the caller.
    run(body, std::make_shared<Scope>(root_));
  } catch (const RenderError& error) {
    fail(error.code(), "chat template, line ", place_.line, ", column ", place_.column, ": ", error.what(),
         error.code() == ErrorCode::unsupported ? " is not supported" : "");
  }
  out_ = nullptr;
  return out;
}

void Interpreter::write(const Text& text) {
  out_->append(text);
  if (out_->size_bytes() > budget_.limits().output_bytes) budget_.charge_bytes(out_->size_bytes());
  budget_.charge_bytes(text.size_bytes());
}

Flow Interpreter::run(const Body& body, const ScopePtr& scope) {
  return run(body.data(), body.size(), scope);
}

Flow Interpreter::run(const Node* nodes, std::size_t count, const ScopePtr& scope) {
  for (std::size_t i = 0; i < count; ++i) {
    budget_.charge(1);
    const Flow flow = run_node(nodes[i], scope);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Flow Interpreter::run_node(const Node& node, const ScopePtr& scope) {
  switch (node.kind) {
    case NodeKind::text: write(node.text); return Flow::normal;
    case NodeKind::output: {
      const Value value = eval(*node.expr, scope);
      set_place(node.place);
      write(to_text(value, budget_));
      return Flow::normal;
    }
    case NodeKind::set: {
      Value value = eval(*node.expr, scope);
      assign(node.target, std::move(value), *scope, scope);
      return Flow::normal;
    }
    case NodeKind::set_block: return run_set_block(node, scope);
    case NodeKind::condition: return run_condition(node, scope);
    case NodeKind::loop: return run_loop(node, scope);
    case NodeKind::macro: scope->set(node.macro->name, make_macro(*node.macro, scope)); return Flow::normal;
    case NodeKind::call_block: run_call_block(node, scope); return Flow::normal;
    case NodeKind::filter_block: return run_filter_block(node, scope);
    case NodeKind::scope: return run(node.body, std::make_shared<Scope>(scope));
    case NodeKind::with: return run_with(node, scope);
    case NodeKind::loop_break: return Flow::loop_break;
    case NodeKind::loop_continue: return Flow::loop_continue;
  }
  return Flow::normal;
}

Flow Interpreter::run_condition(const Node& node, const ScopePtr& scope) {
  if (is_true(eval(*node.expr, scope))) return run(node.body, scope);
  for (std::size_t i = 0; i < node.alternatives; ++i) {
    const Node& alternative = node.else_body[i];
    if (is_true(eval(*alternative.expr, scope))) return run(alternative.body, scope);
  }
  return run(node.else_body.data() + node.alternatives, node.else_body.size() - node.alternatives, scope);
}

Flow Interpreter::run_loop(const Node& node, const ScopePtr& scope) {
  Value iterable = eval(*node.expr, scope);
  set_place(node.expr->place);
  return run_loop_over(node, scope, std::move(iterable), 0);
}

Flow Interpreter::run_loop_over(const Node& node, const ScopePtr& scope, Value iterable, std::int64_t depth) {
  auto loop = std::make_shared<LoopHeap>(*this, node, scope, std::move(iterable), depth);
  const Value loop_value = Value::object(Type::loop, loop);
  bool any = false;
  while (loop->advance()) {
    any = true;
    budget_.charge(1);
    auto inner = std::make_shared<Scope>(scope);
    inner->set("loop", loop_value);
    assign(node.target, *loop->current, *inner, inner);
    if (run(node.body, inner) == Flow::loop_break) break;
  }
  return any ? Flow::normal : run(node.else_body, std::make_shared<Scope>(scope));
}

Flow Interpreter::run_captured(const Body& body, const ScopePtr& scope, Text& out) {
  Text* const outer = std::exchange(out_, &out);
  struct Restore {
    Text*& slot;
    Text* value;
    ~Restore() { slot = value; }
  } restore{out_, outer};
  return run(body, scope);
}

Flow Interpreter::run_set_block(const Node& node, const ScopePtr& scope) {
  Text text;
  const Flow flow = run_captured(node.body, std::make_shared<Scope>(scope), text);
  if (flow != Flow::normal) return flow;
  Value value = Value::string(std::move(text));
  if (node.expr) {
    // The filters of the block: the innermost has no expression before it.
    std::vector<const Expr*> filters;
    for (const Expr* f = node.expr.get(); f != nullptr; f = f->children[0].get()) filters.push_back(f);
    for (auto f = filters.rbegin(); f != filters.rend(); ++f) value = eval_filter(**f, value, scope);
  }
  assign(node.target, std::move(value), *scope, scope);
  return Flow::normal;
}

Flow Interpreter::run_filter_block(const Node& node, const ScopePtr& scope) {
  Text text;
  const auto inner = std::make_shared<Scope>(scope);
  const Flow flow = run_captured(node.body, inner, text);
  if (flow != Flow::normal) return flow;
  Value value = Value::string(std::move(text));
  std::vector<const Expr*> filters;
  for (const Expr* f = node.expr.get(); f != nullptr; f = f->children[0].get()) filters.push_back(f);
  for (auto f = filters.rbegin(); f != filters.rend(); ++f) value = eval_filter(**f, value, inner);
  write(to_text(value, budget_));
  return Flow::normal;
}

Flow Interpreter::run_with(const Node& node, const ScopePtr& scope) {
  const auto inner = std::make_shared<Scope>(scope);
  std::vector<Value> values;  // all are evaluated before any is set
  for (const auto& [target, expr] : node.with) values.push_back(eval(*expr, scope));
  for (std::size_t i = 0; i < values.size(); ++i)
    assign(node.with[i].first, std::move(values[i]), *inner, inner);
  return run(node.body, inner);
}

void Interpreter::assign(const Target& target, Value value, Scope& scope, const ScopePtr& names) {
  if (target.is_tuple) {
    set_place(target.place);
    const std::vector<Value> parts = to_vector(value);
    if (parts.size() != target.parts.size())
      fail_render(parts.size() < target.parts.size() ? "not enough" : "too many",
                  " values to unpack (expected ", target.parts.size(), ", found ", parts.size(), ")");
    for (std::size_t i = 0; i < parts.size(); ++i) assign(target.parts[i], parts[i], scope, names);
    return;
  }
  if (target.attribute.empty()) return scope.set(target.name, std::move(value));
  set_place(target.place);
  for (const Scope* s = names.get(); s != nullptr; s = s->parent.get()) {
    const Value* found = s->find_here(target.name);
    if (found == nullptr) continue;
    if (!found->is(Type::name_space)) break;
    auto& attributes =
        const_cast<NamespaceHeap&>(found->as<NamespaceHeap>()).attributes;  // made by us, not const
    for (auto& [name, old] : attributes) {
      if (name != target.attribute) continue;
      old = std::move(value);
      return;
    }
    attributes.emplace_back(target.attribute, std::move(value));
    return;
  }
  fail_render("cannot assign attribute on non-namespace object");
}

// ---- macros

Value Interpreter::make_macro(const MacroNode& node, const ScopePtr& scope) {
  auto macro = std::make_shared<MacroHeap>();
  macro->node = &node;
  macro->scope = scope;
  if (macro_scopes_.empty() || macro_scopes_.back() != scope) macro_scopes_.push_back(scope);
  return Value::object(Type::macro, std::move(macro));
}

Value Interpreter::call_macro(const MacroHeap& macro, const Call& call) {
  const MacroNode& node = *macro.node;
  const auto scope = std::make_shared<Scope>(macro.scope);
  std::vector<bool> used(call.keywords.size());
  const auto keyword = [&](std::string_view name) -> const Value* {
    for (std::size_t i = 0; i < call.keywords.size(); ++i) {
      if (call.keywords[i].first != name) continue;
      used[i] = true;
      return &call.keywords[i].second;
    }
    return nullptr;
  };
  bool has_caller = false;
  for (std::size_t i = 0; i < node.parameters.size(); ++i) {
    const Parameter& parameter = node.parameters[i];
    has_caller = has_caller || parameter.name == "caller";
    if (i < call.positional.size()) {
      scope->set(parameter.name, call.positional[i]);
    } else if (const Value* given = keyword(parameter.name)) {
      scope->set(parameter.name, *given);
    } else if (!parameter.default_value) {
      scope->set(parameter.name, Value::undefined(cat("parameter '", parameter.name, "' was not provided")));
    }
  }
  if (node.uses_caller && !has_caller) {
    const Value* caller = keyword("caller");
    scope->set("caller", caller != nullptr && !caller->is(Type::none)
                             ? *caller
                             : Value::undefined("No caller defined"));
  }
  DictBuilder kwargs;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    if (!node.uses_kwargs)
      fail_render("macro '", node.name, "' takes no keyword argument '", call.keywords[i].first, "'");
    kwargs.set(Value::string(call.keywords[i].first, Origin::template_text), call.keywords[i].second);
  }
  if (node.uses_kwargs) scope->set("kwargs", kwargs.finish());
  const std::size_t taken = std::min(call.positional.size(), node.parameters.size());
  if (node.uses_varargs)
    scope->set("varargs", Value::tuple({call.positional.begin() + static_cast<std::ptrdiff_t>(taken),
                                        call.positional.end()}));
  else if (call.positional.size() > taken)
    fail_render("macro '", node.name, "' takes not more than ", node.parameters.size(), " argument(s)");
  for (const Parameter& parameter : node.parameters)
    if (scope->find_here(parameter.name) == nullptr)
      scope->set(parameter.name, eval(*parameter.default_value, scope));
  Text text;
  const Place place = place_;
  run_captured(node.body, scope, text);
  place_ = place;
  return Value::string(std::move(text));
}

void Interpreter::run_call_block(const Node& node, const ScopePtr& scope) {
  const Value function = eval(*node.expr->children[0], scope);
  Call arguments = eval_arguments(node.expr->arguments, scope);
  arguments.keywords.emplace_back("caller", make_macro(*node.macro, scope));
  set_place(node.place);
  write(to_text(call(function, arguments), budget_));
}

Value Interpreter::call_loop(const Value& loop, const Call& call) {
  const LoopHeap& heap = loop.as<LoopHeap>();
  if (!heap.node.recursive)
    fail_render("The loop must have the 'recursive' marker to be called recursively.");
  const Bound args(call, "loop", {"iterable"}, 1);
  Text text;
  Text* const outer = std::exchange(out_, &text);
  struct Restore {
    Text*& slot;
    Text* value;
    ~Restore() { slot = value; }
  } restore{out_, outer};
  run_loop_over(heap.node, heap.scope, *args.get(0), heap.depth0 + 1);
  return Value::string(std::move(text));
}

// ---- the variable `loop`

bool LoopHeap::read(Value& out) const {
  for (Value item; elements.next(item);) {
    interpreter.budget().charge(1);
    if (node.condition) {
      const auto inner = std::make_shared<Scope>(scope);
      interpreter.assign(node.target, item, *inner, inner);
      if (!is_true(interpreter.eval(*node.condition, inner))) continue;
    }
    out = std::move(item);
    return true;
  }
  return false;
}

bool LoopHeap::advance() const {
  std::optional<Value> following = std::exchange(after, std::nullopt);
  if (!following) {
    Value item;
    if (rest_at < rest.size())
      item = std::move(rest[rest_at++]);
    else if (!read(item))
      return false;
    following = std::move(item);
  }
  ++index0;
  before = std::move(current);
  current = std::move(following);
  return true;
}

const std::optional<Value>& LoopHeap::peek() const {
  if (after) return after;
  Value item;
  if (rest_at < rest.size())
    after = std::move(rest[rest_at++]);
  else if (read(item))
    after = std::move(item);
  return after;
}

std::int64_t LoopHeap::length() const {
  if (known_length) return *known_length;
  known_length = node.condition ? std::nullopt : elements.size();
  if (known_length) return *known_length;
  for (Value item; read(item);) rest.push_back(std::move(item));
  known_length = static_cast<std::int64_t>(rest.size() - rest_at) + index0 + 1 + (after ? 1 : 0);
  return *known_length;
}

std::optional<Value> LoopHeap::attribute(std::string_view name, const Value& self) const {
  if (name == "index") return Value::integer(index0 + 1);
  if (name == "index0") return Value::integer(index0);
  if (name == "first") return Value::boolean(index0 == 0);
  if (name == "last") return Value::boolean(!peek());
  if (name == "length") return Value::integer(length());
  if (name == "revindex") return Value::integer(length() - index0);
  if (name == "revindex0") return Value::integer(length() - index0 - 1);
  if (name == "depth") return Value::integer(depth0 + 1);
  if (name == "depth0") return Value::integer(depth0);
  if (name == "previtem")
    return index0 == 0 || !before ? Value::undefined("there is no previous item") : *before;
  if (name == "nextitem") return peek() ? *peek() : Value::undefined("there is no next item");
  if (name == "cycle" || name == "changed") {
    auto method = std::make_shared<MethodHeap>();
    method->self = self;
    method->name = std::string(name);
    return Value::object(Type::method, std::move(method));
  }
  return std::nullopt;
}

}  // namespace qwen::templates
