#include "templates/value.h"

#include <algorithm>
#include <cmath>

namespace qwen::templates {
namespace {

int depth_of(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  if (depth >= kMaxValueDepth) fail_render("values nested deeper than ", kMaxValueDepth, " levels");
  return depth + 1;
}

Value make_items(Type type, std::vector<Value> items) {
  auto heap = std::make_shared<ItemsHeap>();
  heap->depth = depth_of(items);
  heap->items = std::move(items);
  return Value::object(type, std::move(heap));
}

// Three-way comparison of numbers, exact between integers and reals. nullopt: one is NaN.
std::optional<int> compare_numbers(const Value& a, const Value& b) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.is_index() && b.is_index()) return sign(a.as_integer(), b.as_integer());
  if (a.is(Type::big_integer) || b.is(Type::big_integer)) {
    const auto is_negative = [](const Value& v) { return v.digits()[0] == '-'; };
    if (a.is(Type::big_integer) && b.is(Type::big_integer)) {
      if (is_negative(a) != is_negative(b)) return is_negative(a) ? -1 : 1;
      const std::string &x = a.digits(), &y = b.digits();
      const int magnitude = x.size() != y.size() ? sign(x.size(), y.size()) : sign(x.compare(y), 0);
      return is_negative(a) ? -magnitude : magnitude;
    }
    if (a.is_index()) return is_negative(b) ? 1 : -1;
    if (b.is_index()) return is_negative(a) ? -1 : 1;
    fail_unsupported("comparing a float with an integer of more than 64 bits");
  }
  // A long double holds any 64-bit integer and any double exactly on the platforms supported.
  const auto real = [](const Value& v) {
    return v.is(Type::real) ? static_cast<long double>(v.as_real())
                            : static_cast<long double>(v.as_integer());
  };
  const long double x = real(a), y = real(b);
  if (std::isnan(x) || std::isnan(y)) return std::nullopt;
  return sign(x, y);
}

bool is_sequence_pair(const Value& a, const Value& b) {
  return a.type() == b.type() && (a.is(Type::list) || a.is(Type::tuple));
}

}  // namespace

Value Value::undefined(std::string message) {
  auto heap = std::make_shared<UndefinedHeap>();
  heap->message = std::move(message);
  return object(Type::undefined, std::move(heap));
}
Value Value::boolean(bool b) {
  Value value;
  value.type_ = Type::boolean;
  value.integer_ = b;
  return value;
}
Value Value::integer(std::int64_t i) {
  Value value;
  value.type_ = Type::integer;
  value.integer_ = i;
  return value;
}
Value Value::big_integer(std::string digits) {
  auto heap = std::make_shared<DigitsHeap>();
  heap->digits = std::move(digits);
  return object(Type::big_integer, std::move(heap));
}
Value Value::real(double d) {
  Value value;
  value.type_ = Type::real;
  value.real_ = d;
  return value;
}
Value Value::string(Text text) {
  auto heap = std::make_shared<TextHeap>();
  heap->text = std::move(text);
  return object(Type::string, std::move(heap));
}
Value Value::list(std::vector<Value> items) {
  return make_items(Type::list, std::move(items));
}
Value Value::tuple(std::vector<Value> items) {
  return make_items(Type::tuple, std::move(items));
}
Value Value::generator(std::vector<Value> items) {
  return make_items(Type::generator, std::move(items));
}
Value Value::object(Type type, std::shared_ptr<const Heap> heap) {
  Value value;
  value.type_ = type;
  value.heap_ = std::move(heap);
  return value;
}

const Text& Value::as_text() const noexcept {
  return as<TextHeap>().text;
}
const std::string& Value::digits() const noexcept {
  return as<DigitsHeap>().digits;
}
const std::vector<Value>& Value::items() const noexcept {
  return as<ItemsHeap>().items;
}
const std::string& Value::undefined_message() const noexcept {
  return as<UndefinedHeap>().message;
}

int Value::depth() const noexcept {
  switch (type_) {
    case Type::list:
    case Type::tuple:
    case Type::generator:
    case Type::view: return as<ItemsHeap>().depth;
    case Type::dict: return as<DictHeap>().depth;
    case Type::method: return as<MethodHeap>().self.depth() + 1;
    default: return 0;
  }
}

const Value* DictHeap::find(const Value& key) const {
  if (key.is_string()) return find(std::string_view(key.as_string()));
  Budget budget{Limits{}};
  for (const auto& [own, value] : items)
    if (equal(own, key, budget)) return &value;
  return nullptr;
}
const Value* DictHeap::find(std::string_view key) const {
  if (!index.empty()) {
    const auto found = index.find(key);
    return found == index.end() ? nullptr : &items[found->second].second;
  }
  for (const auto& [own, value] : items)
    if (own.is_string() && own.as_string() == key) return &value;
  return nullptr;
}

std::int64_t RangeHeap::size() const noexcept {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

void DictBuilder::set(Value key, Value value) {
  heap_->depth = std::max(heap_->depth, std::max(key.depth(), value.depth()) + 1);
  if (heap_->depth > kMaxValueDepth) fail_render("values nested deeper than ", kMaxValueDepth, " levels");
  if (const Value* old = heap_->find(key)) {
    *const_cast<Value*>(old) = std::move(value);  // owned by heap_, which is not shared yet
    return;
  }
  heap_->items.emplace_back(std::move(key), std::move(value));
  constexpr std::size_t kIndexedSize = 16;
  const auto add = [this](std::size_t i) {
    const Value& own = heap_->items[i].first;
    if (own.is_string()) heap_->index.emplace(own.as_string(), i);  // the key's text is on the heap: it stays
  };
  const std::size_t size = heap_->items.size();
  if (size > kIndexedSize && heap_->index.empty())
    for (std::size_t i = 0; i < size; ++i) add(i);
  else if (size > kIndexedSize)
    add(size - 1);
}

Value DictBuilder::finish() {
  return Value::object(Type::dict, std::move(heap_));
}

void Budget::charge(std::uint64_t steps) {
  if (steps > steps_)
    fail_render("the template does too much: more than ", limits_.steps, " steps for one prompt");
  steps_ -= steps;
}

void Budget::charge_bytes(std::size_t bytes) {
  if (bytes > limits_.output_bytes)
    fail_render("a text of the template is larger than ", limits_.output_bytes, " bytes");
  charge(1 + bytes / kBytesPerStep);
}

void fail_undefined(const Value& value) {
  fail_render(value.undefined_message());
}

std::string_view type_name(const Value& value) noexcept {
  switch (value.type()) {
    case Type::undefined: return "Undefined";
    case Type::none: return "NoneType";
    case Type::boolean: return "bool";
    case Type::integer:
    case Type::big_integer: return "int";
    case Type::real: return "float";
    case Type::string: return value.as_text().is_markup ? "Markup" : "str";
    case Type::list: return "list";
    case Type::tuple: return "tuple";
    case Type::dict: return "dict";
    case Type::name_space: return "Namespace";
    case Type::macro: return "Macro";
    case Type::function: return "function";
    case Type::method: return "method";
    case Type::loop: return "LoopContext";
    case Type::range: return "range";
    case Type::view: return value.as<ViewHeap>().name;
    case Type::generator: return "generator";
    case Type::cycler: return "Cycler";
    case Type::joiner: return "Joiner";
  }
  return "object";
}

std::string object_name(const Value& value) {
  return value.is(Type::none) ? "None" : cat(type_name(value), " object");
}

bool is_true(const Value& value) {
  switch (value.type()) {
    case Type::undefined:
    case Type::none: return false;
    case Type::boolean:
    case Type::integer: return value.as_integer() != 0;
    case Type::real: return value.as_real() != 0;
    case Type::string: return !value.as_text().empty();
    case Type::list:
    case Type::tuple:
    case Type::view: return !value.items().empty();
    case Type::dict: return !value.as<DictHeap>().items.empty();
    case Type::range: return value.as<RangeHeap>().size() > 0;
    default: return true;
  }
}

bool is_hashable(const Value& value) {
  if (value.is(Type::tuple)) return std::all_of(value.items().begin(), value.items().end(), is_hashable);
  return !value.is(Type::list) && !value.is(Type::dict) && !value.is(Type::view);
}

double to_double(const Value& number) {
  if (number.is(Type::real)) return number.as_real();
  if (number.is(Type::big_integer)) fail_unsupported("arithmetic with an integer of more than 64 bits");
  return static_cast<double>(number.as_integer());
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.charge(1);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Type::undefined:
    case Type::none: return true;
    case Type::string:
      budget.charge_bytes(std::min(a.as_text().size_bytes(), b.as_text().size_bytes()));
      return a.as_string() == b.as_string();
    case Type::list:
    case Type::tuple:
      return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                        [&](const Value& x, const Value& y) { return equal(x, y, budget); });
    case Type::dict: {
      const DictHeap &x = a.as<DictHeap>(), &y = b.as<DictHeap>();
      if (x.items.size() != y.items.size()) return false;
      return std::all_of(x.items.begin(), x.items.end(), [&](const auto& item) {
        budget.charge(y.items.size());
        const Value* other = y.find(item.first);
        return other != nullptr && equal(item.second, *other, budget);
      });
    }
    case Type::range: {
      const RangeHeap &x = a.as<RangeHeap>(), &y = b.as<RangeHeap>();
      if (x.size() != y.size()) return false;
      return x.size() == 0 || (x.start == y.start && (x.size() == 1 || x.step == y.step));
    }
    case Type::view:
      if (a.heap() != b.heap()) fail_unsupported("comparing ", type_name(a), " objects");
      return true;
    default: return a.heap() == b.heap();
  }
}

bool compare(const Value& a, const Value& b, Order order, Budget& budget) {
  budget.charge(1);
  for (const Value* v : {&a, &b})
    if (v->is_undefined()) fail_undefined(*v);
  std::optional<int> sign;
  if (a.is_number() && b.is_number()) {
    sign = compare_numbers(a, b);
    if (!sign) return false;
  } else if (a.is_string() && b.is_string()) {
    budget.charge_bytes(std::min(a.as_text().size_bytes(), b.as_text().size_bytes()));
    const int c = a.as_string().compare(b.as_string());  // UTF-8 sorts as code points do
    sign = c < 0 ? -1 : c > 0 ? 1 : 0;
  } else if (is_sequence_pair(a, b)) {
    const auto &x = a.items(), &y = b.items();
    std::size_t i = 0;
    while (i < x.size() && i < y.size() && equal(x[i], y[i], budget)) ++i;
    if (i < x.size() && i < y.size()) return compare(x[i], y[i], order, budget);
    sign = x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
  } else {
    static constexpr const char* kSigns[] = {"<", "<=", ">", ">="};
    fail_render("'", kSigns[static_cast<int>(order)], "' not supported between instances of '", type_name(a),
                "' and '", type_name(b), "'");
  }
  switch (order) {
    case Order::less: return *sign < 0;
    case Order::less_equal: return *sign <= 0;
    case Order::greater: return *sign > 0;
    case Order::greater_equal: return *sign >= 0;
  }
  return false;
}

bool less(const Value& a, const Value& b, Budget& budget) {
  return compare(a, b, Order::less, budget);
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  switch (container.type()) {
    case Type::undefined: return false;
    case Type::string:
      if (!item.is_string())
        fail_render("'in <string>' requires string as left operand, not ", type_name(item));
      budget.charge_bytes(container.as_text().size_bytes());
      return container.as_string().find(item.as_string()) != std::string::npos;
    case Type::list:
    case Type::tuple:
    case Type::view:
      return std::any_of(container.items().begin(), container.items().end(),
                         [&](const Value& own) { return equal(own, item, budget); });
    case Type::generator: {
      const ItemsHeap& heap = container.as<ItemsHeap>();
      while (heap.next < heap.items.size())
        if (equal(heap.items[heap.next++], item, budget)) return true;
      return false;
    }
    case Type::dict:
      if (!is_hashable(item)) fail_render("unhashable type: '", type_name(item), "'");
      budget.charge(container.as<DictHeap>().items.size() / 4 + 1);
      return container.as<DictHeap>().find(item) != nullptr;
    case Type::range: {
      const RangeHeap& r = container.as<RangeHeap>();
      if (item.is(Type::real)) {
        if (item.as_real() != std::floor(item.as_real())) return false;
        fail_unsupported("searching a range for a float");
      }
      if (!item.is_index()) return false;
      const std::int64_t i = item.as_integer();
      const bool inside = r.step > 0 ? i >= r.start && i < r.stop : i <= r.start && i > r.stop;
      return inside && (i - r.start) % r.step == 0;
    }
    default: fail_render("argument of type '", type_name(container), "' is not iterable");
  }
}

std::int64_t length(const Value& value) {
  switch (value.type()) {
    case Type::undefined: return 0;
    case Type::string: return length_of(value.as_string());
    case Type::list:
    case Type::tuple:
    case Type::view: return static_cast<std::int64_t>(value.items().size());
    case Type::dict: return static_cast<std::int64_t>(value.as<DictHeap>().items.size());
    case Type::range: return value.as<RangeHeap>().size();
    default: fail_render("object of type '", type_name(value), "' has no len()");
  }
}

}  // namespace qwen::templates
