// Jinja's tests: `value is name(arguments)`.
#include <algorithm>

#include "templates/interpreter.h"

namespace qwen::templates {
namespace {

using Test = bool (*)(Interpreter&, const Value&, const Call&);

void no_arguments(const Call& call) {
  const Bound args(call, "the test", {});
}

template <bool (*Holds)(const Value&)>
bool simple(Interpreter&, const Value& value, const Call& call) {
  no_arguments(call);
  return Holds(value);
}

bool is_iterable(const Value& v) {
  switch (v.type()) {
    case Type::undefined:
    case Type::string:
    case Type::list:
    case Type::tuple:
    case Type::dict:
    case Type::range:
    case Type::view:
    case Type::generator:
    case Type::loop: return true;
    default: return false;
  }
}

bool is_sequence(const Value& v) {
  return is_iterable(v) && !v.is(Type::view) && !v.is(Type::generator) && !v.is(Type::loop);
}

bool is_callable(const Value& v) {
  switch (v.type()) {
    case Type::undefined:
    case Type::macro:
    case Type::function:
    case Type::method:
    case Type::loop:
    case Type::joiner: return true;
    default: return false;
  }
}

const Value& argument(const Bound& args) {
  return *args.get(0);
}

std::int64_t remainder(Interpreter& in, const Value& value, const Value& divisor) {
  const Value result = apply_operator("%", value, divisor, in.budget());
  if (result.is_index()) return result.as_integer();
  return result.is(Type::real) && result.as_real() == 0   ? 0
         : result.is(Type::real) && result.as_real() == 1 ? 1
                                                          : -1;
}

template <Order order>
bool ordered(Interpreter& in, const Value& value, const Call& call) {
  return compare(value, argument(Bound(call, "the test", {"other"}, 1)), order, in.budget());
}

bool equals(Interpreter& in, const Value& value, const Call& call) {
  return equal(value, argument(Bound(call, "the test", {"other"}, 1)), in.budget());
}
bool differs(Interpreter& in, const Value& value, const Call& call) {
  return !equals(in, value, call);
}
bool is_in(Interpreter& in, const Value& value, const Call& call) {
  return contains(argument(Bound(call, "in", {"seq"}, 1)), value, in.budget());
}

// Python's `is`: certain for None, booleans and objects; for others it depends on Python's caches.
bool same_as(Interpreter&, const Value& value, const Call& call) {
  const Value& other = argument(Bound(call, "sameas", {"other"}, 1));
  if (value.type() != other.type()) return false;
  switch (value.type()) {
    case Type::none: return true;
    case Type::boolean: return value.as_bool() == other.as_bool();
    case Type::integer: {
      const std::int64_t i = value.as_integer();
      if (i != other.as_integer()) return false;
      if (i < -5 || i > 256) fail_unsupported("comparing the identity of large integers");
      return true;
    }
    case Type::real:
    case Type::big_integer:
    case Type::string: fail_unsupported("comparing the identity of ", type_name(value), " objects");
    default: return value.heap() == other.heap();
  }
}

struct Entry {
  std::string_view name;
  Test test;
};

constexpr Entry kTests[] = {
    {"!=", differs},
    {"<", ordered<Order::less>},
    {"<=", ordered<Order::less_equal>},
    {"==", equals},
    {">", ordered<Order::greater>},
    {">=", ordered<Order::greater_equal>},
    {"boolean", simple<[](const Value& v) { return v.is(Type::boolean); }>},
    {"callable", simple<is_callable>},
    {"defined", simple<[](const Value& v) { return !v.is_undefined(); }>},
    {"divisibleby",
     [](Interpreter& in, const Value& v, const Call& call) {
       return remainder(in, v, argument(Bound(call, "divisibleby", {"num"}, 1))) == 0;
     }},
    {"eq", equals},
    {"equalto", equals},
    {"escaped", simple<[](const Value& v) { return v.is_string() && v.as_text().is_markup; }>},
    {"even",
     [](Interpreter& in, const Value& v, const Call& call) {
       no_arguments(call);
       return remainder(in, v, Value::integer(2)) == 0;
     }},
    {"false", simple<[](const Value& v) { return v.is(Type::boolean) && !v.as_bool(); }>},
    {"filter", simple<[](const Value& v) { return v.is_string() && find_filter(v.as_string()).known; }>},
    {"float", simple<[](const Value& v) { return v.is(Type::real); }>},
    {"ge", ordered<Order::greater_equal>},
    {"greaterthan", ordered<Order::greater>},
    {"gt", ordered<Order::greater>},
    {"in", is_in},
    {"integer", simple<[](const Value& v) { return v.is(Type::integer) || v.is(Type::big_integer); }>},
    {"iterable", simple<is_iterable>},
    {"le", ordered<Order::less_equal>},
    {"lessthan", ordered<Order::less>},
    {"lower",
     [](Interpreter& in, const Value& v, const Call& call) {
       no_arguments(call);
       return is_lower_text(to_text(v, in.budget()).bytes());
     }},
    {"lt", ordered<Order::less>},
    {"mapping", simple<[](const Value& v) { return v.is(Type::dict); }>},
    {"ne", differs},
    {"none", simple<[](const Value& v) { return v.is(Type::none); }>},
    {"number", simple<[](const Value& v) { return v.is_number(); }>},
    {"odd",
     [](Interpreter& in, const Value& v, const Call& call) {
       no_arguments(call);
       return remainder(in, v, Value::integer(2)) == 1;
     }},
    {"sameas", same_as},
    {"sequence", simple<is_sequence>},
    {"string", simple<[](const Value& v) { return v.is_string(); }>},
    {"test", simple<[](const Value& v) { return v.is_string() && find_test(v.as_string()).known; }>},
    {"true", simple<[](const Value& v) { return v.is(Type::boolean) && v.as_bool(); }>},
    {"undefined", simple<[](const Value& v) { return v.is_undefined(); }>},
    {"upper",
     [](Interpreter& in, const Value& v, const Call& call) {
       no_arguments(call);
       return is_upper_text(to_text(v, in.budget()).bytes());
     }},
};

const Entry* test_entry(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTests), std::end(kTests),
                                   [&](const Entry& entry) { return entry.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

}  // namespace

KnownName find_test(std::string_view name) {
  const bool known = test_entry(name) != nullptr;
  return {known, known};
}

bool Interpreter::apply_test(std::string_view name, const Value& value, const Call& call) {
  budget_.charge(1);
  const Entry* entry = test_entry(name);
  if (entry == nullptr) fail_render("no test named ", quoted(name));
  return entry->test(*this, value, call);
}

}  // namespace qwen::templates
