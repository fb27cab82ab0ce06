// Expressions.
#include <locale.h>

#include <algorithm>

#include "templates/interpreter.h"

namespace qwen::templates {
namespace {

// Bounds the recursion through expressions, statements and macros.
constexpr int kMaxDepth = 1200;
constexpr std::int64_t kMaxRange = 100'000;  // elements, as Jinja's sandbox
constexpr std::int64_t kMaxRangeBound = std::int64_t{1} << 40;

constexpr std::string_view kFunctions[] = {"range",  "dict",   "namespace",    "raise_exception",
                                           "cycler", "joiner", "strftime_now", "lipsum"};

Value function(std::string_view name) {
  auto heap = std::make_shared<FunctionHeap>();
  heap->name = std::string(name);
  return Value::object(Type::function, std::move(heap));
}

Value make_range(const Call& call) {
  const Bound args(call, "range", {"start", "stop", "step"}, 1);
  if (!call.keywords.empty()) fail_render("range() takes no keyword arguments");
  auto range = std::make_shared<RangeHeap>();
  if (args.given(1)) {
    range->start = args.integer(0, 0);
    range->stop = args.integer(1, 0);
    range->step = args.integer(2, 1);
  } else {
    range->stop = args.integer(0, 0);
  }
  for (const std::int64_t bound : {range->start, range->stop, range->step})
    if (bound > kMaxRangeBound || bound < -kMaxRangeBound)
      fail_unsupported("a range beyond ", kMaxRangeBound);
  if (range->step == 0) fail_render("range() arg 3 must not be zero");
  if (range->size() > kMaxRange) fail_render("range too big: more than ", kMaxRange, " elements");
  return Value::object(Type::range, std::move(range));
}

Value make_dict(Interpreter& interpreter, const Call& call) {
  DictBuilder dict;
  if (call.positional.size() > 1) fail_render("dict expected at most 1 argument");
  if (!call.positional.empty()) {
    const Value& from = call.positional[0];
    if (from.is(Type::dict)) {
      for (const auto& [key, value] : from.as<DictHeap>().items) dict.set(key, value);
    } else {
      for (const Value& pair : interpreter.to_vector(from)) {
        const std::vector<Value> parts = interpreter.to_vector(pair);
        if (parts.size() != 2) fail_render("dictionary update sequence needs pairs of a key and a value");
        if (!is_hashable(parts[0])) fail_render("unhashable type: '", type_name(parts[0]), "'");
        dict.set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : call.keywords) dict.set(Value::string(name, Origin::template_text), value);
  return dict.finish();
}

[[noreturn]] void raise_exception(const Call& call, Budget& budget) {
  const Bound args(call, "raise_exception", {"message"}, 1);
  // The message may hold a caller's text: control characters must not reach a terminal or split a log line.
  fail_render(quoted_inside(to_text(*args.get(0), budget).bytes()));
}

}  // namespace

std::string quoted_inside(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\r' || c == '\t')
      out += ' ';
    else if (byte >= 0x20 && byte != 0x7F)
      out += c;
    if (out.size() >= 2000) return out + " ...";
  }
  return out;
}

class Interpreter::DepthGuard {
 public:
  explicit DepthGuard(Interpreter& interpreter) : interpreter_(interpreter) {
    if (++interpreter_.depth_ > kMaxDepth) {
      --interpreter_.depth_;  // the destructor does not run
      fail_render("calls and expressions nested deeper than ", kMaxDepth, " levels");
    }
  }
  ~DepthGuard() { --interpreter_.depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  Interpreter& interpreter_;
};

Bound::Bound(const Call& call, std::string_view name, std::initializer_list<std::string_view> names,
             std::size_t required)
    : function_(name), values_(names.size(), nullptr) {
  if (call.positional.size() > names.size())
    fail_render(function_, "() takes at most ", names.size(), " arguments, found ", call.positional.size());
  for (std::size_t i = 0; i < call.positional.size(); ++i) values_[i] = &call.positional[i];
  for (const auto& [key, value] : call.keywords) {
    const auto* found = std::find(names.begin(), names.end(), key);
    if (found == names.end()) fail_render(function_, "() has no argument ", quoted(key));
    const Value*& slot = values_[static_cast<std::size_t>(found - names.begin())];
    if (slot != nullptr) fail_render(function_, "() got two values for the argument ", quoted(key));
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (values_[i] == nullptr) fail_render(function_, "() lacks the argument \"", *(names.begin() + i), "\"");
}

std::int64_t Bound::integer(std::size_t i, std::int64_t otherwise) const {
  if (!given(i)) return otherwise;
  if (get(i)->is_undefined()) fail_undefined(*get(i));
  if (!get(i)->is_index()) fail_render(function_, "() expects an int, found ", type_name(*get(i)));
  return get(i)->as_integer();
}

std::string Bound::string(std::size_t i, std::string_view otherwise) const {
  if (!given(i)) return std::string(otherwise);
  if (!get(i)->is_string()) fail_render(function_, "() expects a str, found ", type_name(*get(i)));
  return get(i)->as_string();
}

Elements::Elements(Value source) : source_(std::move(source)) {
  switch (source_.type()) {
    case Type::string: offsets_ = code_point_offsets(source_.as_string()); break;
    case Type::undefined:
    case Type::list:
    case Type::tuple:
    case Type::view:
    case Type::dict:
    case Type::range:
    case Type::generator: break;
    default: fail_render("'", type_name(source_), "' object is not iterable");
  }
}

bool Elements::next(Value& out) {
  switch (source_.type()) {
    case Type::undefined: return false;
    case Type::string: {
      if (at_ + 1 >= offsets_.size()) return false;
      Text text = source_.as_text().sub_bytes(offsets_[at_], offsets_[at_ + 1]);
      text.is_markup = false;
      out = Value::string(std::move(text));
      break;
    }
    case Type::dict:
      if (at_ >= source_.as<DictHeap>().items.size()) return false;
      out = source_.as<DictHeap>().items[at_].first;
      break;
    case Type::generator: {
      const ItemsHeap& heap = source_.as<ItemsHeap>();
      if (heap.next >= heap.items.size()) return false;
      out = heap.items[heap.next++];
      break;
    }
    default: {
      bool found = false;
      Value item = index(source_, static_cast<std::int64_t>(at_), found);
      if (!found) return false;
      out = std::move(item);
    }
  }
  ++at_;
  return true;
}

std::optional<std::int64_t> Elements::size() const {
  if (source_.is(Type::generator)) return std::nullopt;
  return templates::length(source_);
}

std::vector<Value> Interpreter::to_vector(const Value& iterable) {
  Elements elements(iterable);
  std::vector<Value> out;
  for (Value item; elements.next(item);) {
    budget_.charge(1);
    out.push_back(std::move(item));
  }
  return out;
}

Value Interpreter::eval(const Expr& expr, const ScopePtr& scope) {
  budget_.charge(1);
  switch (expr.kind) {
    case ExprKind::constant: return expr.value;
    case ExprKind::name: return eval_name(expr, scope);
    default: break;
  }
  const DepthGuard guard(*this);
  return eval_operation(expr, scope);
}

Value Interpreter::eval_operation(const Expr& expr, const ScopePtr& scope) {
  switch (expr.kind) {
    case ExprKind::list:
    case ExprKind::tuple: return eval_items(expr, scope);
    case ExprKind::dict: return eval_dict(expr, scope);
    case ExprKind::attribute: {
      const Value object = eval(*expr.children[0], scope);
      set_place(expr.place);
      return get_attribute(object, expr.text);
    }
    case ExprKind::item: {
      const Value object = eval(*expr.children[0], scope);
      const Value key = eval(*expr.children[1], scope);
      set_place(expr.place);
      return get_item(object, key);
    }
    case ExprKind::slice: return eval_slice(expr, scope);
    case ExprKind::call: return eval_call(expr, scope);
    case ExprKind::filter: return eval_filter(expr, eval(*expr.children[0], scope), scope);
    case ExprKind::test: {
      const Value value = eval(*expr.children[0], scope);
      const Call arguments = eval_arguments(expr.arguments, scope);
      set_place(expr.place);
      return Value::boolean(apply_test(expr.text, value, arguments));
    }
    case ExprKind::negate:
    case ExprKind::plus: {
      const Value value = eval(*expr.children[0], scope);
      set_place(expr.place);
      return expr.kind == ExprKind::negate ? negate(value) : templates::plus(value);
    }
    case ExprKind::logical_not: return Value::boolean(!is_true(eval(*expr.children[0], scope)));
    case ExprKind::logical_and:
    case ExprKind::logical_or: {
      Value left = eval(*expr.children[0], scope);
      if (is_true(left) == (expr.kind == ExprKind::logical_or)) return left;
      return eval(*expr.children[1], scope);
    }
    case ExprKind::conditional: return eval_conditional(expr, scope);
    case ExprKind::compare: return eval_compare(expr, scope);
    case ExprKind::concat: return eval_concat(expr, scope);
    case ExprKind::binary: {
      const Value left = eval(*expr.children[0], scope);
      const Value right = eval(*expr.children[1], scope);
      set_place(expr.place);
      return expr.text == "+" ? add(left, right, budget_) : apply_operator(expr.text, left, right, budget_);
    }
    default: fail(ErrorCode::internal, "chat template: expression kind ", static_cast<int>(expr.kind));
  }
}

Value Interpreter::eval_name(const Expr& expr, const ScopePtr& scope) {
  for (const Scope* s = scope.get(); s != nullptr; s = s->parent.get())
    if (const Value* found = s->find_here(expr.text)) return *found;
  for (const std::string_view name : kFunctions)
    if (expr.text == name) return function(name);
  if (expr.text == "self") {
    set_place(expr.place);
    fail_unsupported("the variable self");
  }
  return Value::undefined(cat("'", expr.text, "' is undefined"));
}

Value Interpreter::eval_items(const Expr& expr, const ScopePtr& scope) {
  std::vector<Value> items;
  for (const ExprPtr& child : expr.children) items.push_back(eval(*child, scope));
  set_place(expr.place);
  return expr.kind == ExprKind::list ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

Value Interpreter::eval_dict(const Expr& expr, const ScopePtr& scope) {
  DictBuilder dict;
  for (std::size_t i = 0; i < expr.children.size(); i += 2) {
    Value key = eval(*expr.children[i], scope);
    Value value = eval(*expr.children[i + 1], scope);
    set_place(expr.place);
    if (!is_hashable(key)) fail_render("unhashable type: '", type_name(key), "'");
    budget_.charge(i / 32);
    dict.set(std::move(key), std::move(value));
  }
  return dict.finish();
}

Value Interpreter::eval_slice(const Expr& expr, const ScopePtr& scope) {
  const Value object = eval(*expr.children[0], scope);
  Value bounds[3];
  for (std::size_t i = 0; i < 3; ++i)
    if (expr.children[i + 1]) bounds[i] = eval(*expr.children[i + 1], scope);
  set_place(expr.place);
  return templates::slice(object, bounds[0], bounds[1], bounds[2], budget_);
}

Value Interpreter::eval_conditional(const Expr& expr, const ScopePtr& scope) {
  if (is_true(eval(*expr.children[1], scope))) return eval(*expr.children[0], scope);
  if (expr.children[2]) return eval(*expr.children[2], scope);
  return Value::undefined(cat("the inline if-expression on line ", expr.place.line,
                              " evaluated to false and no else section was defined."));
}

Value Interpreter::eval_compare(const Expr& expr, const ScopePtr& scope) {
  Value left = eval(*expr.children[0], scope);
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = eval(*expr.children[i + 1], scope);
    set_place(expr.place);
    const std::string& op = expr.operators[i];
    bool holds = false;
    if (op == "==" || op == "!=")
      holds = equal(left, right, budget_) == (op == "==");
    else if (op == "in" || op == "not in")
      holds = contains(right, left, budget_) == (op == "in");
    else
      holds = compare(left, right,
                      op == "<"    ? Order::less
                      : op == "<=" ? Order::less_equal
                      : op == ">"  ? Order::greater
                                   : Order::greater_equal,
                      budget_);
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::eval_concat(const Expr& expr, const ScopePtr& scope) {
  Text out;
  for (const ExprPtr& child : expr.children) {
    const Value value = eval(*child, scope);
    set_place(expr.place);
    out.append(to_text(value, budget_));
    budget_.charge_bytes(out.size_bytes());
  }
  return Value::string(std::move(out));
}

Call Interpreter::eval_arguments(const Arguments& arguments, const ScopePtr& scope) {
  Call call;
  for (const ExprPtr& argument : arguments.positional) call.positional.push_back(eval(*argument, scope));
  if (arguments.more_positional)
    for (Value& item : to_vector(eval(*arguments.more_positional, scope)))
      call.positional.push_back(std::move(item));
  for (const auto& [name, argument] : arguments.keywords)
    call.keywords.emplace_back(name, eval(*argument, scope));
  if (arguments.more_keywords) {
    const Value more = eval(*arguments.more_keywords, scope);
    if (!more.is(Type::dict)) fail_render("argument after ** must be a mapping, not ", type_name(more));
    for (const auto& [key, value] : more.as<DictHeap>().items) {
      if (!key.is_string()) fail_render("keywords must be strings");
      budget_.charge(call.keywords.size() + 1);
      for (const auto& [name, other] : call.keywords)
        if (name == key.as_string()) fail_render("got multiple values for keyword argument ", quoted(name));
      call.keywords.emplace_back(key.as_string(), value);
    }
  }
  return call;
}

Value Interpreter::eval_call(const Expr& expr, const ScopePtr& scope) {
  const Value function = eval(*expr.children[0], scope);
  const Call arguments = eval_arguments(expr.arguments, scope);
  set_place(expr.place);
  return call(function, arguments);
}

Value Interpreter::eval_filter(const Expr& expr, const Value& value, const ScopePtr& scope) {
  const Call arguments = eval_arguments(expr.arguments, scope);
  set_place(expr.place);
  return apply_filter(expr.text, value, arguments);
}

Value Interpreter::get_attribute(const Value& object, const std::string& name) {
  const bool is_private = name.starts_with('_');
  switch (object.type()) {
    case Type::undefined: fail_undefined(object);
    case Type::name_space:
      for (const auto& [key, value] : object.as<NamespaceHeap>().attributes)
        if (key == name) return value;
      break;
    case Type::loop:
      if (auto value = object.as<LoopHeap>().attribute(name, object)) return *value;
      break;
    case Type::macro:
      if (name == "name") return Value::string(object.as<MacroHeap>().node->name, Origin::template_text);
      break;
    default: break;
  }
  if (has_method(object, name)) {
    if (is_mutating_method(object, name))
      return Value::undefined(
          cat("access to attribute '", name, "' of '", type_name(object), "' object is unsafe."));
    auto method = std::make_shared<MethodHeap>();
    method->self = object;
    method->name = name;
    return Value::object(Type::method, std::move(method));
  }
  if (object.is(Type::dict)) {
    const DictHeap& dict = object.as<DictHeap>();
    budget_.charge(dict.index.empty() ? dict.items.size() / 4 : 1);
    if (const Value* found = dict.find(name)) return *found;
  }
  if (is_private && name.starts_with("__"))
    return Value::undefined(
        cat("access to attribute '", name, "' of '", type_name(object), "' object is unsafe."));
  return Value::undefined(cat("'", object_name(object), "' has no attribute '", name, "'"));
}

Value Interpreter::get_item(const Value& object, const Value& key) {
  if (object.is_undefined()) fail_undefined(object);
  const bool is_sequence =
      object.is_string() || object.is(Type::list) || object.is(Type::tuple) || object.is(Type::range);
  if (is_sequence && key.is_index()) {
    bool found = false;
    Value item = templates::index(object, key.as_integer(), found);
    if (object.is_string()) budget_.charge_bytes(object.as_text().size_bytes());
    if (found) return item;
  } else if (object.is(Type::dict) && is_hashable(key)) {
    const DictHeap& dict = object.as<DictHeap>();
    budget_.charge(dict.index.empty() ? dict.items.size() / 4 : 1);
    if (const Value* found = dict.find(key)) return *found;
  }
  if (key.is_string())
    return object.is(Type::dict) && !has_method(object, key.as_string())
               ? Value::undefined(cat("'dict object' has no attribute '", key.as_string(), "'"))
               : get_attribute(object, key.as_string());
  return Value::undefined(cat(object_name(object), " has no element ", repr(key, budget_).bytes()));
}

Value Interpreter::call(const Value& function, const Call& arguments) {
  const DepthGuard guard(*this);
  switch (function.type()) {
    case Type::undefined: fail_undefined(function);
    case Type::macro: return call_macro(function.as<MacroHeap>(), arguments);
    case Type::function: return call_function(function.as<FunctionHeap>().name, arguments);
    case Type::method: {
      const MethodHeap& method = function.as<MethodHeap>();
      return call_method(*this, method.self, method.name, arguments);
    }
    case Type::loop: return call_loop(function, arguments);
    case Type::joiner: {
      const auto& joiner = function.as<JoinerHeap>();
      const bool used = std::exchange(joiner.used, true);
      return Value::string(used ? joiner.separator : Text());
    }
    default: fail_render("'", type_name(function), "' object is not callable");
  }
}

Value Interpreter::call_function(const std::string& name, const Call& call) {
  if (name == "raise_exception") raise_exception(call, budget_);
  if (name == "namespace") return make_namespace(call);
  if (name == "range") return make_range(call);
  if (name == "dict") return make_dict(*this, call);
  if (name == "strftime_now") {
    const Bound args(call, name, {"format"}, 1);
    return Value::string(format_time(args.string(0, "")), Origin::caller);
  }
  if (name == "joiner") {
    const Bound args(call, name, {"sep"});
    auto joiner = std::make_shared<JoinerHeap>();
    joiner->separator = args.given(0) ? to_text(*args.get(0), budget_) : Text(", ", Origin::template_text);
    return Value::object(Type::joiner, std::move(joiner));
  }
  if (name == "cycler") {
    if (call.positional.empty()) fail_render("at least one item has to be provided");
    auto cycler = std::make_shared<CyclerHeap>();
    cycler->items = call.positional;
    return Value::object(Type::cycler, std::move(cycler));
  }
  fail_unsupported("the function ", name);
}

Value Interpreter::make_namespace(const Call& call) {
  auto heap = std::make_shared<NamespaceHeap>();
  const Value from = make_dict(*this, call);
  for (const auto& [key, value] : from.as<DictHeap>().items)
    heap->attributes.emplace_back(key.is_string() ? key.as_string() : repr(key, budget_).bytes(), value);
  namespaces_.push_back(heap);
  return Value::object(Type::name_space, std::move(heap));
}

std::string Interpreter::format_time(const std::string& format) const {
  if (format.empty()) return {};
  std::tm parts{};
  localtime_r(&now_, &parts);
  struct Locale {  // month and day names in English, whatever the host program's locale is
    locale_t handle = newlocale(LC_ALL_MASK, "C", nullptr);
    ~Locale() {
      if (handle != nullptr) freelocale(handle);
    }
  } c_locale;
  if (c_locale.handle == nullptr) throw std::bad_alloc();
  char buffer[1024];
  const std::size_t size = strftime_l(buffer, sizeof buffer, format.c_str(), &parts, c_locale.handle);
  if (size == 0) fail_unsupported("a time format of more than ", sizeof buffer - 1, " bytes");
  return {buffer, size};
}

}  // namespace qwen::templates
