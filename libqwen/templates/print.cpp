// Values as text: str(), repr() and json.dumps() of Python, and reading JSON.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/utf8.h"
#include "formats/json_reader.h"
#include "templates/value.h"

namespace qwen::templates {
namespace {

void append_plain(Text& out, std::string_view text, Budget& budget) {
  budget.charge(1);
  out.append(text, Origin::caller);
}

std::string hex(std::uint32_t value, int digits) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%0*x", digits, value);
  return buffer;
}

// A piece of a string literal: escapes keep the origin of the character that they stand for.
template <class Escape>
void append_escaped(Text& out, const Text& text, Budget& budget, const Escape& escape) {
  budget.charge_bytes(text.size_bytes());
  const std::string_view bytes = text.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = decode_utf8(bytes.substr(at));
    const auto length = static_cast<std::size_t>(step.length);
    const std::string escaped = escape(static_cast<char32_t>(step.code_point));
    out.append(escaped.empty() ? bytes.substr(at, length) : std::string_view(escaped),
               text.origin_of_byte(at));
    at += length;
  }
}

void append_repr_of_text(Text& out, const Text& text, Budget& budget) {
  const std::string& bytes = text.bytes();
  const bool double_quotes = bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  append_plain(out, std::string_view(&quote, 1), budget);
  append_escaped(out, text, budget, [&](char32_t c) -> std::string {
    if (c == static_cast<char32_t>(quote) || c == '\\') return {'\\', static_cast<char>(c)};
    if (c == '\n') return "\\n";
    if (c == '\r') return "\\r";
    if (c == '\t') return "\\t";
    if (c >= 0x20 && c < 0x7F) return {};
    if (is_printable(c)) return {};
    if (c < 0x100) return "\\x" + hex(c, 2);
    return c < 0x10000 ? "\\u" + hex(c, 4) : "\\U" + hex(c, 8);
  });
  append_plain(out, std::string_view(&quote, 1), budget);
}

void append_repr(Text& out, const Value& value, Budget& budget);

void append_items(Text& out, const std::vector<Value>& items, std::string_view open, std::string_view close,
                  Budget& budget) {
  append_plain(out, open, budget);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) append_plain(out, ", ", budget);
    append_repr(out, items[i], budget);
  }
  append_plain(out, close, budget);
}

void append_repr(Text& out, const Value& value, Budget& budget) {
  budget.charge(1);
  if (out.size_bytes() > budget.limits().output_bytes) budget.charge_bytes(out.size_bytes());
  switch (value.type()) {
    case Type::undefined: return append_plain(out, "Undefined", budget);
    case Type::none: return append_plain(out, "None", budget);
    case Type::boolean: return append_plain(out, value.as_bool() ? "True" : "False", budget);
    case Type::integer: return append_plain(out, std::to_string(value.as_integer()), budget);
    case Type::big_integer: return append_plain(out, value.digits(), budget);
    case Type::real: return append_plain(out, format_real(value.as_real()), budget);
    case Type::string:
      if (value.as_text().is_markup) append_plain(out, "Markup(", budget);
      append_repr_of_text(out, value.as_text(), budget);
      if (value.as_text().is_markup) append_plain(out, ")", budget);
      return;
    case Type::list: return append_items(out, value.items(), "[", "]", budget);
    case Type::tuple:
      return append_items(out, value.items(), "(", value.items().size() == 1 ? ",)" : ")", budget);
    case Type::view:
      append_plain(out, value.as<ViewHeap>().name, budget);
      return append_items(out, value.items(), "([", "])", budget);
    case Type::dict: {
      append_plain(out, "{", budget);
      bool first = true;
      for (const auto& [key, item] : value.as<DictHeap>().items) {
        if (!first) append_plain(out, ", ", budget);
        first = false;
        append_repr(out, key, budget);
        append_plain(out, ": ", budget);
        append_repr(out, item, budget);
      }
      return append_plain(out, "}", budget);
    }
    case Type::range: {
      const RangeHeap& r = value.as<RangeHeap>();
      return append_plain(
          out, cat("range(", r.start, ", ", r.stop, r.step == 1 ? "" : cat(", ", r.step), ")"), budget);
    }
    default: fail_unsupported("printing a ", type_name(value), " object");
  }
}

// json.dumps() of one value.
class JsonWriter {
 public:
  JsonWriter(Text& out, const JsonStyle& style, Budget& budget) : out_(out), style_(style), budget_(budget) {}

  void write(const Value& value) {
    budget_.charge(1);
    if (out_.size_bytes() > budget_.limits().output_bytes) budget_.charge_bytes(out_.size_bytes());
    switch (value.type()) {
      case Type::none: return plain("null");
      case Type::boolean: return plain(value.as_bool() ? "true" : "false");
      case Type::integer: return plain(std::to_string(value.as_integer()));
      case Type::big_integer: return plain(value.digits());
      case Type::real: return plain(real(value.as_real()));
      case Type::string: return string(value.as_text());
      case Type::list:
      case Type::tuple: return array(value.items());
      case Type::dict: return object(value.as<DictHeap>());
      default: fail_render("Object of type ", type_name(value), " is not JSON serializable");
    }
  }

 private:
  void plain(std::string_view text) { append_plain(out_, text, budget_); }

  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return format_real(value);
  }

  void string(const Text& text) {
    plain("\"");
    append_escaped(out_, text, budget_, [this](char32_t c) -> std::string {
      switch (c) {
        case '"': return "\\\"";
        case '\\': return "\\\\";
        case '\n': return "\\n";
        case '\r': return "\\r";
        case '\t': return "\\t";
        case '\f': return "\\f";
        case '\b': return "\\b";
        default: break;
      }
      if (c < 0x20) return "\\u" + hex(c, 4);
      if (c < 0x7F || !style_.ensure_ascii) return {};
      if (c < 0x10000) return "\\u" + hex(c, 4);
      const std::uint32_t rest = c - 0x10000;
      return "\\u" + hex(0xD800 + (rest >> 10), 4) + "\\u" + hex(0xDC00 + (rest & 0x3FF), 4);
    });
    plain("\"");
  }

  void new_line() {
    if (!style_.pretty) return;
    plain("\n");
    for (int i = 0; i < level_; ++i) {
      budget_.charge_bytes(style_.indent.size_bytes());
      out_.append(style_.indent);
    }
  }

  void array(const std::vector<Value>& items) {
    if (items.empty()) return plain("[]");
    plain("[");
    ++level_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      new_line();
      write(items[i]);
    }
    --level_;
    new_line();
    plain("]");
  }

  void key(const Value& key) {
    switch (key.type()) {
      case Type::string: return string(key.as_text());
      case Type::none: return plain("\"null\"");
      case Type::boolean: return plain(key.as_bool() ? "\"true\"" : "\"false\"");
      case Type::integer: return plain("\"" + std::to_string(key.as_integer()) + "\"");
      case Type::big_integer: return plain("\"" + key.digits() + "\"");
      case Type::real: return plain("\"" + real(key.as_real()) + "\"");
      default: fail_render("keys must be str, int, float, bool or None, not ", type_name(key));
    }
  }

  void object(const DictHeap& dict) {
    if (dict.items.empty()) return plain("{}");
    std::vector<const std::pair<Value, Value>*> items;
    for (const auto& item : dict.items) items.push_back(&item);
    if (style_.sort_keys)
      std::stable_sort(items.begin(), items.end(),
                       [this](const auto* a, const auto* b) { return less(a->first, b->first, budget_); });
    plain("{");
    ++level_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      new_line();
      key(items[i]->first);
      out_.append(style_.key_separator);
      write(items[i]->second);
    }
    --level_;
    new_line();
    plain("}");
  }

  Text& out_;
  const JsonStyle& style_;
  Budget& budget_;
  int level_ = 0;
};

Value parse_number(std::string_view digits, bool is_integer) {
  if (!is_integer) {
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range) {
      // Python reads 1e999 as infinity and 1e-999 as 0.
      const std::size_t exponent = digits.find_first_of("eE");
      const bool tiny = exponent != std::string_view::npos && digits.substr(exponent + 1).starts_with('-');
      value = tiny ? 0.0 : std::numeric_limits<double>::infinity();
      if (digits.starts_with('-')) value = -value;
    }
    return Value::real(value);
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() ? Value::integer(value) : Value::big_integer(std::string(digits));
}

Value read_json(formats::JsonReader& in) {
  using Kind = formats::JsonReader::Kind;
  switch (in.peek()) {
    case Kind::object: {
      DictBuilder dict;
      in.object([&](std::string_view key) {
        const std::string name(key);
        dict.set(Value::string(name, Origin::caller), read_json(in));
      });
      return dict.finish();
    }
    case Kind::array: {
      std::vector<Value> items;
      in.array([&] { items.push_back(read_json(in)); });
      return Value::list(std::move(items));
    }
    case Kind::string: return Value::string(in.string(), Origin::caller);
    case Kind::boolean: return Value::boolean(in.boolean());
    case Kind::null: in.null(); return Value();
    case Kind::number: break;
  }
  bool is_integer = false;
  const std::string_view digits = in.number(is_integer);
  return parse_number(digits, is_integer);
}

}  // namespace

std::string format_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // The shortest digits that read back as the same value, as "d.ddde-xx".
  std::array<char, 40> buffer;
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data()));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::size_t power_at = e + (text[e + 1] == '+' ? 2 : 1);  // from_chars reads no '+'
  std::from_chars(text.data() + power_at, text.data() + text.size(), exponent);
  std::string sign, digits;
  for (const char c : text.substr(0, e)) {
    if (c == '-') sign = "-";
    if (c >= '0' && c <= '9') digits += c;
  }
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits.substr(0, 1);
    if (digits.size() > 1) out += "." + digits.substr(1);
    const std::string power = std::to_string(std::abs(exponent));
    return out + "e" + (exponent < 0 ? "-" : "+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

Text to_text(const Value& value, Budget& budget) {
  if (value.is_string()) {
    Text text = value.as_text();
    text.is_markup = false;
    budget.charge_bytes(text.size_bytes());
    return text;
  }
  if (value.is_undefined()) return {};
  return repr(value, budget);
}

Text repr(const Value& value, Budget& budget) {
  Text out;
  append_repr(out, value, budget);
  budget.charge_bytes(out.size_bytes());
  return out;
}

Text to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  Text out;
  JsonWriter(out, style, budget).write(value);
  budget.charge_bytes(out.size_bytes());
  return out;
}

Value parse_json(std::string_view text, std::string what) {
  formats::JsonReader in(text, std::move(what));
  Value value = read_json(in);
  in.finish();
  return value;
}

}  // namespace qwen::templates
