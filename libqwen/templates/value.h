// The values of a template: Python's None, bool, int, float, str, list, tuple and dict, and Jinja's own
// objects. Everything but a Namespace is immutable, as in Jinja's sandbox.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "templates/text.h"

namespace qwen::templates {

class Value;
struct Scope;
struct MacroNode;
class Budget;

// What a value refers to.
struct Heap {
  virtual ~Heap() = default;
};

enum class Type : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  big_integer,  // does not fit into 64 bits: kept as its digits, for printing and comparing only
  real,
  string,
  list,
  tuple,
  dict,
  name_space,
  macro,
  function,   // range, namespace, ...
  method,     // of a value: text.strip
  loop,       // the variable `loop`
  range,      // range(...): a sequence that computes its elements
  view,       // dict.items(), .keys(), .values()
  generator,  // what map, select and the like return: can be iterated once
  cycler,
  joiner,
};

class Value {
 public:
  Value() = default;  // None
  static Value undefined(std::string message);
  static Value boolean(bool b);
  static Value integer(std::int64_t i);
  static Value big_integer(std::string digits);  // an optional '-' and digits, outside of 64 bits
  static Value real(double d);
  static Value string(Text text);
  static Value string(std::string_view text, Origin origin) { return string(Text(text, origin)); }
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value generator(std::vector<Value> items);
  static Value object(Type type, std::shared_ptr<const Heap> heap);

  Type type() const noexcept { return type_; }
  bool is(Type type) const noexcept { return type_ == type; }
  bool is_undefined() const noexcept { return type_ == Type::undefined; }
  bool is_string() const noexcept { return type_ == Type::string; }
  // An int in Python's sense: True and False count as 1 and 0.
  bool is_index() const noexcept { return type_ == Type::integer || type_ == Type::boolean; }
  bool is_number() const noexcept { return is_index() || type_ == Type::real || type_ == Type::big_integer; }

  bool as_bool() const noexcept { return integer_ != 0; }
  std::int64_t as_integer() const noexcept { return integer_; }  // also of a boolean
  double as_real() const noexcept { return real_; }
  const Text& as_text() const noexcept;
  const std::string& as_string() const noexcept { return as_text().bytes(); }
  const std::string& digits() const noexcept;        // of a big_integer
  const std::vector<Value>& items() const noexcept;  // of a list, tuple, view or generator
  const std::string& undefined_message() const noexcept;
  template <class T>
  const T& as() const noexcept {
    return static_cast<const T&>(*heap_);
  }
  const std::shared_ptr<const Heap>& heap() const noexcept { return heap_; }
  int depth() const noexcept;  // nesting: 0 for scalars

 private:
  Type type_ = Type::none;
  union {
    std::int64_t integer_ = 0;
    double real_;
  };
  std::shared_ptr<const Heap> heap_;
};

struct UndefinedHeap : Heap {
  std::string message;  // of the error when the value is used
};
struct TextHeap : Heap {
  Text text;
};
struct DigitsHeap : Heap {
  std::string digits;
};
struct ItemsHeap : Heap {
  std::vector<Value> items;
  int depth = 1;
  mutable std::size_t next = 0;  // of a generator: the first element that was not taken yet
};
struct DictHeap : Heap {
  std::vector<std::pair<Value, Value>> items;               // in insertion order; keys are unique
  std::unordered_map<std::string_view, std::size_t> index;  // of string keys, once there are many
  int depth = 1;
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
};
struct RangeHeap : Heap {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t size() const noexcept;
};
struct ViewHeap : ItemsHeap {
  std::string name;  // "dict_items", ...
};
struct NamespaceHeap : Heap {
  std::vector<std::pair<std::string, Value>> attributes;
};
struct MethodHeap : Heap {
  Value self;
  std::string name;
};
struct FunctionHeap : Heap {
  std::string name;
};
struct CyclerHeap : Heap {
  std::vector<Value> items;
  mutable std::size_t position = 0;
};
struct JoinerHeap : Heap {
  Text separator;
  mutable bool used = false;
};

// Builds a dict: a key that is set again keeps its place and gets the new value.
class DictBuilder {
 public:
  void set(Value key, Value value);
  Value finish();

 private:
  std::shared_ptr<DictHeap> heap_ = std::make_shared<DictHeap>();
};

// What limits one rendering. A step is a node evaluated, an element visited or a few bytes copied.
struct Limits {
  std::uint64_t steps = 20'000'000;
  std::size_t output_bytes = std::size_t{32} << 20;
};
constexpr int kMaxValueDepth = 200;  // nested lists and dicts
constexpr std::size_t kBytesPerStep = 8;

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits), steps_(limits.steps) {}
  // Throws Error(invalid_argument) if the rendering does more than its limits allow.
  void charge(std::uint64_t steps);
  void charge_bytes(std::size_t bytes);
  const Limits& limits() const noexcept { return limits_; }

 private:
  Limits limits_;
  std::uint64_t steps_;
};

// A failure of the template itself; the evaluator adds line and column.
class RenderError : public Error {
 public:
  using Error::Error;
};
// Python's TypeError and the like: the template does something that the values do not allow.
template <class... Parts>
[[noreturn]] void fail_render(const Parts&... parts) {
  throw RenderError(ErrorCode::invalid_argument, cat(parts...));
}
// Valid Jinja that is not implemented here.
template <class... Parts>
[[noreturn]] void fail_unsupported(const Parts&... parts) {
  throw RenderError(ErrorCode::unsupported, cat(parts...));
}
[[noreturn]] void fail_undefined(const Value& value);

std::string_view type_name(const Value& value) noexcept;  // Python's: "str", "NoneType"
std::string object_name(const Value& value);              // Jinja's in messages: "dict object", "None"
bool is_true(const Value& value);
bool is_hashable(const Value& value);
bool equal(const Value& a, const Value& b, Budget& budget);
// Python's a < b. Throws where Python raises a TypeError.
bool less(const Value& a, const Value& b, Budget& budget);
enum class Order { less, less_equal, greater, greater_equal };
bool compare(const Value& a, const Value& b, Order order, Budget& budget);
bool contains(const Value& container, const Value& item, Budget& budget);
std::int64_t length(const Value& value);  // Python's len()

Text to_text(const Value& value, Budget& budget);  // str()
Text repr(const Value& value, Budget& budget);     // repr()
std::string format_real(double value);             // repr() of a float
double to_double(const Value& number);

struct JsonStyle {
  bool ensure_ascii = false, sort_keys = false;
  bool pretty = false;
  Text indent;
  Text item_separator{", ", Origin::caller}, key_separator{": ", Origin::caller};
};
Text to_json(const Value& value, const JsonStyle& style, Budget& budget);  // json.dumps()
// Throws bad_format naming `what`, line and column. All strings are the caller's.
Value parse_json(std::string_view text, std::string what);

}  // namespace qwen::templates
