// Arithmetic, slices and formatting, by Python's rules.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "templates/interpreter.h"

namespace qwen::templates {
namespace {

[[noreturn]] void fail_operands(std::string_view op, const Value& a, const Value& b) {
  fail_render("unsupported operand type(s) for ", op, ": '", type_name(a), "' and '", type_name(b), "'");
}

[[noreturn]] void fail_overflow() {
  fail_unsupported("an integer of more than 64 bits as a result");
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) fail_render("integer division or modulo by zero");
  if (b == -1) {
    std::int64_t out = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, a, &out)) fail_overflow();
    return out;
  }
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow();
  }
  return result;
}

Value integer_operation(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &out)) fail_overflow();
    return Value::integer(out);
  }
  if (op == "-") {
    if (__builtin_sub_overflow(a, b, &out)) fail_overflow();
    return Value::integer(out);
  }
  if (op == "*") {
    if (__builtin_mul_overflow(a, b, &out)) fail_overflow();
    return Value::integer(out);
  }
  if (op == "//") return Value::integer(floor_divide(a, b));
  if (op == "%") {
    if (b == 0) fail_render("integer division or modulo by zero");
    return Value::integer(b == -1 ? 0 : a - floor_divide(a, b) * b);
  }
  if (op == "**" && b >= 0) return Value::integer(power(a, b));
  if (op == "**" && a == 0) fail_render("0.0 cannot be raised to a negative power");
  if (op == "/" && b == 0) fail_render("division by zero");
  constexpr std::int64_t kExact = std::int64_t{1} << 53;  // integers that a double holds
  if (a < -kExact || a > kExact || b < -kExact || b > kExact)
    fail_unsupported("division of integers of more than 53 bits");
  const auto x = static_cast<double>(a), y = static_cast<double>(b);
  return Value::real(op == "/" ? x / y : std::pow(x, y));
}

// Python's float divmod.
double floor_modulo(double a, double b) {
  double mod = std::fmod(a, b);
  if (mod != 0) {
    if ((b < 0) != (mod < 0)) mod += b;
  } else {
    mod = std::copysign(0.0, b);
  }
  return mod;
}
double floor_divide(double a, double b) {
  const double mod = std::fmod(a, b);
  double div = (a - mod) / b;
  if (mod != 0 && (b < 0) != (mod < 0)) div -= 1;
  if (div == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(div);
  return div - floored > 0.5 ? floored + 1 : floored;
}

Value real_operation(std::string_view op, double a, double b) {
  if (op == "+") return Value::real(a + b);
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) fail_render("0.0 cannot be raised to a negative power");
    if (a < 0 && std::floor(b) != b && std::isfinite(a) && std::isfinite(b))
      fail_unsupported("a complex number as a result");
    const double result = std::pow(a, b);
    if (std::isinf(result) && std::isfinite(a) && std::isfinite(b))
      fail_render("Numerical result out of range");
    return Value::real(result);
  }
  if (b == 0) fail_render("float division by zero");
  if (op == "/") return Value::real(a / b);
  return Value::real(op == "%" ? floor_modulo(a, b) : floor_divide(a, b));
}

Value repeat(const Value& value, std::int64_t count, Budget& budget) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (value.is_string()) {
    const Text& text = value.as_text();
    if (text.size_bytes() > 0 && times > budget.limits().output_bytes / text.size_bytes())
      budget.charge_bytes(budget.limits().output_bytes + 1);
    budget.charge_bytes(text.size_bytes() * times);
    Text out;
    out.is_markup = text.is_markup;
    for (std::size_t i = 0; i < times && !text.empty(); ++i) out.append(text);
    return Value::string(std::move(out));
  }
  const std::vector<Value>& items = value.items();
  if (!items.empty() && times > budget.limits().steps / items.size())
    budget.charge(budget.limits().steps + 1);
  budget.charge(items.size() * times);
  std::vector<Value> out;
  for (std::size_t i = 0; i < times && !items.empty(); ++i) out.insert(out.end(), items.begin(), items.end());
  return value.is(Type::list) ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

bool is_repeatable(const Value& value) {
  return value.is_string() || value.is(Type::list) || value.is(Type::tuple);
}

Value multiply(const Value& a, const Value& b, Budget& budget) {
  if (is_repeatable(a) && b.is_index()) return repeat(a, b.as_integer(), budget);
  if (is_repeatable(b) && a.is_index()) return repeat(b, a.as_integer(), budget);
  for (const auto& [sequence, other] : {std::pair(&a, &b), std::pair(&b, &a)})
    if (is_repeatable(*sequence))
      fail_render("can't multiply sequence by non-int of type '", type_name(*other), "'");
  fail_operands("*", a, b);
}

struct SliceBounds {
  std::int64_t start, stop, step;
};

// Python's slice.indices().
SliceBounds slice_bounds(const Value& start, const Value& stop, const Value& step, std::int64_t length) {
  const auto number = [](const Value& value) -> std::optional<std::int64_t> {
    if (value.is(Type::none)) return std::nullopt;
    if (!value.is_index()) fail_render("slice indices must be integers or None or have an __index__ method");
    return value.as_integer();
  };
  SliceBounds out{};
  out.step = number(step).value_or(1);
  if (out.step == 0) fail_render("slice step cannot be zero");
  // A step beyond any length: -INT64_MIN would overflow.
  out.step = std::max(out.step, -std::numeric_limits<std::int64_t>::max());
  const bool back = out.step < 0;
  const auto bound = [&](const Value& value, std::int64_t otherwise) {
    const std::optional<std::int64_t> given = number(value);
    if (!given) return otherwise;
    std::int64_t i = *given;
    if (i < 0) return i < -length ? (back ? std::int64_t{-1} : 0) : i + length;
    return std::min(i, back ? length - 1 : length);
  };
  out.start = bound(start, back ? length - 1 : 0);
  out.stop = bound(stop, back ? -1 : length);
  return out;
}

template <class Take>
void for_slice(const SliceBounds& s, Budget& budget, const Take& take) {
  for (std::int64_t i = s.start; s.step > 0 ? i < s.stop : i > s.stop;) {
    budget.charge(1);
    take(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, s.step, &i)) break;
  }
}

Value slice_text(const Text& text, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  budget.charge_bytes(text.size_bytes());
  const std::vector<std::size_t> offsets = code_point_offsets(text.bytes());
  const SliceBounds s = slice_bounds(start, stop, step, static_cast<std::int64_t>(offsets.size()) - 1);
  if (s.step == 1) {
    const auto begin = static_cast<std::size_t>(s.start),
               end = static_cast<std::size_t>(std::max(s.start, s.stop));
    return Value::string(text.sub_bytes(offsets[begin], offsets[end]));
  }
  Text out;
  out.is_markup = text.is_markup;
  for_slice(s, budget, [&](std::size_t i) { out.append(text.sub_bytes(offsets[i], offsets[i + 1])); });
  return Value::string(std::move(out));
}

// One conversion of a % format: %[(key)][flags][width][.precision]kind.
struct Conversion {
  bool left = false, zero = false, plus = false, space = false, alternate = false;
  int width = 0, precision = -1;
  char kind = 's';
};

void append_padded(Text& out, const Text& text, const Conversion& c) {
  const std::int64_t missing = c.width - length_of(text.bytes());
  const std::string pad(static_cast<std::size_t>(std::max<std::int64_t>(missing, 0)), ' ');
  if (!c.left) out.append(pad, Origin::caller);
  out.append(text);
  if (c.left) out.append(pad, Origin::caller);
}

void append_number(Text& out, const Value& value, const Conversion& c) {
  const bool integer = c.kind == 'd' || c.kind == 'x' || c.kind == 'X' || c.kind == 'o';
  if (!value.is_number() || value.is(Type::big_integer))
    fail_render("%", c.kind, " format: a real number is required, not ", type_name(value));
  std::string format = "%";
  if (c.left) format += '-';
  if (c.zero) format += '0';
  if (c.plus) format += '+';
  if (c.space) format += ' ';
  format += std::to_string(c.width);
  if (c.precision >= 0) format += "." + std::to_string(c.precision);
  char buffer[1024];
  int size = 0;
  if (integer) {
    if (value.is(Type::real) && c.kind != 'd')
      fail_render("%", c.kind, " format: an integer is required, not float");
    if (value.is(Type::real) && !(std::fabs(value.as_real()) < 9e18)) fail_overflow();
    const std::int64_t i =
        value.is(Type::real) ? static_cast<std::int64_t>(value.as_real()) : value.as_integer();
    if (c.kind != 'd' && (i < 0 || c.alternate))
      fail_unsupported("a negative or prefixed %", c.kind, " format");
    format += "l";
    format += c.kind;
    size = std::snprintf(buffer, sizeof buffer, format.c_str(), i);
  } else {
    format += c.kind;
    size = std::snprintf(buffer, sizeof buffer, format.c_str(), to_double(value));
  }
  if (size < 0 || static_cast<std::size_t>(size) >= sizeof buffer) fail_unsupported("so wide a format");
  for (char* at = buffer; *at != '\0'; ++at)
    if (*at == ',') *at = '.';  // where the host's locale writes a comma
  out.append(buffer, Origin::caller);
}

class PercentFormat {
 public:
  PercentFormat(const Text& format, const std::vector<Value>& values, const Value* mapping, Budget& budget)
      : format_(format), text_(format.bytes()), values_(values), mapping_(mapping), budget_(budget) {}

  Text run() {
    for (std::size_t begin = 0;;) {
      const std::size_t at = text_.find('%', begin);
      out_.append(format_.sub_bytes(begin, std::min(at, text_.size())));
      if (at == std::string_view::npos) break;
      at_ = at + 1;
      conversion();
      begin = at_;
    }
    if (mapping_ == nullptr && used_ < values_.size())
      fail_render("not all arguments converted during string formatting");
    return std::move(out_);
  }

 private:
  char peek() const {
    if (at_ >= text_.size()) fail_render("incomplete format");
    return text_[at_];
  }
  int number() {
    if (peek() == '*') fail_unsupported("a width given as an argument");
    int value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > 500) fail_unsupported("a format wider than 500 characters");
    }
    return value;
  }

  void conversion() {
    std::optional<std::string> key;
    if (peek() == '(') {
      const std::size_t end = text_.find(')', at_);
      if (end == std::string_view::npos) fail_render("incomplete format key");
      key = std::string(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
    }
    Conversion c;
    for (;; ++at_) {
      const char flag = peek();
      if (flag == '-')
        c.left = true;
      else if (flag == '0')
        c.zero = true;
      else if (flag == '+')
        c.plus = true;
      else if (flag == ' ')
        c.space = true;
      else if (flag == '#')
        c.alternate = true;
      else
        break;
    }
    c.width = number();
    if (peek() == '.') {
      ++at_;
      c.precision = number();
    }
    c.kind = peek();
    ++at_;
    if (c.kind == '%') return out_.append("%", Origin::template_text);
    write(c, next_value(key));
  }

  const Value& next_value(const std::optional<std::string>& key) {
    if (key) {
      if (mapping_ == nullptr) fail_render("format requires a mapping");
      const Value* found = mapping_->as<DictHeap>().find(*key);
      if (found == nullptr) fail_render("'", *key, "'");
      return *found;
    }
    if (used_ >= values_.size()) fail_render("not enough arguments for format string");
    return values_[used_++];
  }

  void write(Conversion c, const Value& value) {
    switch (c.kind) {
      case 's':
      case 'r': {
        Text text = c.kind == 's' ? to_text(value, budget_) : repr(value, budget_);
        if (c.precision >= 0)
          text = slice_text(text, Value(), Value::integer(c.precision), Value(), budget_).as_text();
        return append_padded(out_, text, c);
      }
      case 'i':
      case 'u': c.kind = 'd'; [[fallthrough]];
      case 'd':
      case 'x':
      case 'X':
      case 'o':
      case 'f':
      case 'F':
      case 'e':
      case 'E':
      case 'g':
      case 'G': return append_number(out_, value, c);
      default: fail_unsupported("the format %", std::string_view(&c.kind, 1));
    }
  }

  const Text& format_;
  std::string_view text_;
  const std::vector<Value>& values_;
  const Value* mapping_;
  Budget& budget_;
  std::size_t at_ = 0, used_ = 0;
  Text out_;
};

Value modulo_text(const Value& format, const Value& argument, Budget& budget) {
  if (format.as_text().is_markup) fail_unsupported("formatting a safe string");
  std::vector<Value> values;
  const Value* mapping = nullptr;
  if (argument.is(Type::tuple)) {
    values = argument.items();
  } else {
    values = {argument};
    if (argument.is(Type::dict)) mapping = &argument;
  }
  return Value::string(format_percent(format.as_text(), values, mapping, budget));
}

}  // namespace

Text format_percent(const Text& format, const std::vector<Value>& values, const Value* mapping,
                    Budget& budget) {
  budget.charge_bytes(format.size_bytes());
  Text out = PercentFormat(format, values, mapping, budget).run();
  budget.charge_bytes(out.size_bytes());
  return out;
}

Value add(const Value& a, const Value& b, Budget& budget) {
  if (a.is_string() && b.is_string()) {
    const Text &x = a.as_text(), &y = b.as_text();
    Text out;
    budget.charge_bytes(x.size_bytes() + y.size_bytes());
    if (x.is_markup == y.is_markup) {
      out = x;
      out.append(y);
    } else {
      out = x.is_markup ? x : escape_html(x);
      out.append(y.is_markup ? y : escape_html(y));
    }
    return Value::string(std::move(out));
  }
  return apply_operator("+", a, b, budget);
}

Value apply_operator(std::string_view op, const Value& a, const Value& b, Budget& budget) {
  for (const Value* value : {&a, &b})
    if (value->is_undefined() && !(op == "%" && a.is_string())) fail_undefined(*value);
  if (a.is_index() && b.is_index()) return integer_operation(op, a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) return real_operation(op, to_double(a), to_double(b));
  if (op == "%" && a.is_string()) return modulo_text(a, b, budget);
  if (op == "*") return multiply(a, b, budget);
  if (op != "+") fail_operands(op, a, b);
  if (a.is_string() && b.is_string()) return add(a, b, budget);
  if (a.type() == b.type() && (a.is(Type::list) || a.is(Type::tuple))) {
    std::vector<Value> items = a.items();
    budget.charge(items.size() + b.items().size());
    items.insert(items.end(), b.items().begin(), b.items().end());
    return a.is(Type::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  }
  if (is_repeatable(a))
    fail_render("can only concatenate ", a.is_string() ? "str" : type_name(a), " (not \"", type_name(b),
                "\") to ", a.is_string() ? "str" : type_name(a));
  fail_operands(op, a, b);
}

Value negate(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is(Type::real)) return Value::real(-value.as_real());
  if (value.is_index()) return integer_operation("-", 0, value.as_integer());
  if (value.is(Type::big_integer)) fail_unsupported("arithmetic with an integer of more than 64 bits");
  fail_render("bad operand type for unary -: '", type_name(value), "'");
}

Value plus(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_index()) return Value::integer(value.as_integer());
  if (value.is_number()) return value;
  fail_render("bad operand type for unary +: '", type_name(value), "'");
}

Value slice(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  switch (value.type()) {
    case Type::undefined: fail_undefined(value);
    case Type::string: return slice_text(value.as_text(), start, stop, step, budget);
    case Type::list:
    case Type::tuple: {
      const std::vector<Value>& items = value.items();
      std::vector<Value> out;
      for_slice(slice_bounds(start, stop, step, static_cast<std::int64_t>(items.size())), budget,
                [&](std::size_t i) { out.push_back(items[i]); });
      return value.is(Type::list) ? Value::list(std::move(out)) : Value::tuple(std::move(out));
    }
    case Type::range: {
      const RangeHeap& r = value.as<RangeHeap>();
      const SliceBounds s = slice_bounds(start, stop, step, r.size());
      auto out = std::make_shared<RangeHeap>();
      out->start = r.start + s.start * r.step;
      out->stop = r.start + s.stop * r.step;
      out->step = std::clamp<std::int64_t>(s.step, -1 << 20, 1 << 20) * r.step;
      return Value::object(Type::range, std::move(out));
    }
    case Type::dict: fail_render("unhashable type: 'slice'");
    default: fail_render("'", type_name(value), "' object is not subscriptable");
  }
}

Value index(const Value& sequence, std::int64_t position, bool& found) {
  const std::int64_t size = length(sequence);
  if (position < 0) position += size;
  found = position >= 0 && position < size;
  if (!found) return {};
  const auto i = static_cast<std::size_t>(position);
  if (sequence.is(Type::range)) {
    const RangeHeap& r = sequence.as<RangeHeap>();
    return Value::integer(r.start + position * r.step);
  }
  if (!sequence.is_string()) return sequence.items()[i];
  const std::vector<std::size_t> offsets = code_point_offsets(sequence.as_string());
  return Value::string(sequence.as_text().sub_bytes(offsets[i], offsets[i + 1]));
}

}  // namespace qwen::templates
