// Filters of numbers.
#include <charconv>
#include <cmath>
#include <cstdio>

#include "templates/filters.h"

namespace qwen::templates {
namespace {

Value abs_filter(Interpreter&, const Value& value, const Call& call) {
  const Bound args(call, "abs", {});
  if (value.is_undefined()) fail_undefined(value);
  if (value.is(Type::real)) return Value::real(std::fabs(value.as_real()));
  if (!value.is_index()) fail_render("bad operand type for abs(): '", type_name(value), "'");
  return value.as_integer() < 0 ? negate(value) : templates::plus(value);
}

std::string number_text(std::string_view text) {
  Text stripped = strip(Text(text, Origin::caller), Side::both);
  std::string out;
  for (std::size_t i = 0; i < stripped.size_bytes(); ++i) {
    const char c = stripped.bytes()[i];
    const auto digit = [&](std::size_t k) {
      return k < stripped.size_bytes() && stripped.bytes()[k] >= '0' && stripped.bytes()[k] <= '9';
    };
    if (c == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    out += c;
  }
  return out;
}

// Python's float(text); nullopt: it is not a number.
std::optional<double> parse_real(std::string_view source) {
  std::string text = number_text(source);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  double value = 0;
  std::string lowered;
  for (const char c : text) lowered += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lowered == "inf" || lowered == "infinity" || lowered == "nan") {
    value = lowered == "nan" ? std::nan("") : HUGE_VAL;
  } else {
    if (!(text[0] == '.' || (text[0] >= '0' && text[0] <= '9'))) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size() || error == std::errc::invalid_argument) return std::nullopt;
    if (error == std::errc::result_out_of_range) fail_unsupported("a number beyond a double's range");
  }
  return negative ? -value : value;
}

std::optional<Value> parse_integer(std::string_view source, std::int64_t base) {
  std::string text = number_text(source);
  if (base < 2 || base > 36) fail_unsupported("the base ", base, " of int");
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  const auto prefix = [&](char letter, int own) {
    if (base == own && text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == letter) text.erase(0, 2);
  };
  prefix('x', 16);
  prefix('o', 8);
  prefix('b', 2);
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  if (negative) text.insert(text.begin(), '-');
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, static_cast<int>(base));
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return std::nullopt;
  if (error != std::errc()) fail_unsupported("an integer of more than 64 bits");
  return Value::integer(value);
}

Value truncate(double value) {
  if (std::isnan(value)) fail_render("cannot convert float NaN to integer");
  if (std::isinf(value)) fail_render("cannot convert float infinity to integer");
  if (std::fabs(value) >= 9.2e18) fail_unsupported("an integer of more than 64 bits");
  return Value::integer(static_cast<std::int64_t>(value));
}

Value int_filter(Interpreter&, const Value& value, const Call& call) {
  const Bound args(call, "int", {"default", "base"});
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_string()) {
    if (const auto number = parse_integer(value.as_string(), args.integer(1, 10))) return *number;
    if (const auto number = parse_real(value.as_string())) {
      if (std::isnan(*number)) return args.given(0) ? *args.get(0) : Value::integer(0);
      return truncate(*number);
    }
  } else if (value.is(Type::big_integer)) {
    return value;
  } else if (value.is_index()) {
    return Value::integer(value.as_integer());
  } else if (value.is(Type::real) && !std::isnan(value.as_real())) {
    return truncate(value.as_real());
  }
  return args.given(0) ? *args.get(0) : Value::integer(0);
}

Value float_filter(Interpreter&, const Value& value, const Call& call) {
  const Bound args(call, "float", {"default"});
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_number()) return Value::real(to_double(value));
  if (value.is_string())
    if (const auto number = parse_real(value.as_string())) return Value::real(*number);
  return args.given(0) ? *args.get(0) : Value::real(0);
}

Value round_filter(Interpreter&, const Value& value, const Call& call) {
  const Bound args(call, "round", {"precision", "method"});
  const std::int64_t precision = args.integer(0, 0);
  const std::string method = args.string(1, "common");
  if (method != "common" && method != "ceil" && method != "floor")
    fail_render("method must be common, ceil or floor");
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_number() || value.is(Type::big_integer))
    fail_render("type ", type_name(value), " doesn't define __round__ method");
  if (precision < 0 || precision > 300) fail_unsupported("rounding to ", precision, " digits");
  if (method == "common") {
    if (value.is_index()) return Value::integer(value.as_integer());
    char buffer[700];  // printf rounds the exact value half to even, as Python does
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value.as_real());
    for (char* c = buffer; *c != '\0'; ++c)
      if (*c == ',') *c = '.';
    return std::isfinite(value.as_real()) ? Value::real(*parse_real(buffer)) : value;
  }
  const double power = std::pow(10.0, static_cast<double>(precision));
  const double scaled = to_double(value) * power;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power);
}

constexpr Filter kNumberFilters[] = {
    {"abs", abs_filter},
    {"float", float_filter},
    {"int", int_filter},
    {"round", round_filter},
};

}  // namespace

std::span<const Filter> number_filters() {
  return kNumberFilters;
}

}  // namespace qwen::templates
