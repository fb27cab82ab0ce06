// Jinja's filters, and Hugging Face's tojson.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "templates/interpreter.h"

namespace qwen::templates {
namespace {

using Filter = Value (*)(Interpreter&, const Value&, const Call&);

// soft_str(): a str stays what it is, all else becomes one.
Text soft_text(Interpreter& in, const Value& value) {
  return value.is_string() ? value.as_text() : to_text(value, in.budget());
}

Value lower_if_text(const Value& value) {
  return value.is_string() ? Value::string(lower(value.as_text())) : value;
}

// A chain of attributes "a.b.0", by Jinja's getitem.
class AttributePath {
 public:
  AttributePath(const Value& path, const Value* otherwise) : otherwise_(otherwise) {
    if (path.is(Type::none)) return;
    if (path.is_index()) {
      parts_.push_back(path);
      return;
    }
    if (!path.is_string()) fail_render("expected an attribute's name, found ", type_name(path));
    for (const Text& part : split(path.as_text(), ".", -1)) {
      const std::string& text = part.bytes();
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      const bool is_number =
          !text.empty() && text[0] != '-' && error == std::errc() && end == text.data() + text.size();
      parts_.push_back(is_number ? Value::integer(number) : Value::string(part));
    }
  }
  Value get(Interpreter& in, Value value) const {
    for (const Value& part : parts_) {
      value = in.get_item(value, part);
      if (otherwise_ != nullptr && value.is_undefined()) value = *otherwise_;
    }
    return value;
  }

 private:
  std::vector<Value> parts_;
  const Value* otherwise_;
};

Value given_or_none(const Bound& args, std::size_t i) {
  return args.given(i) ? *args.get(i) : Value();
}

// ---- numbers

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

Value sum_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "sum", {"attribute", "start"});
  const AttributePath path(given_or_none(args, 0), nullptr);
  Value total = args.given(1) ? *args.get(1) : Value::integer(0);
  if (total.is_string()) fail_render("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : in.to_vector(value)) total = add(total, path.get(in, item), in.budget());
  return total;
}

// ---- texts

template <Text (*Map)(const Text&)>
Value map_text(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "the filter", {});
  const Text text = soft_text(in, value);
  in.budget().charge_bytes(text.size_bytes());
  return Value::string(Map(text));
}

// Jinja's title: the first letter after a space, a dash or an opening bracket is a capital, all others small.
Text title_of_words(const Text& text) {
  Text out;
  out.is_markup = text.is_markup;
  const std::vector<std::size_t> offsets = code_point_offsets(text.bytes());
  const std::vector<char32_t> points = code_points(text.bytes());
  const auto separates = [](char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
  };
  for (std::size_t i = 0; i < points.size();) {
    std::size_t end = i + 1;
    while (end < points.size() && separates(points[end]) == separates(points[i])) ++end;
    out.append(upper(text.sub_bytes(offsets[i], offsets[i + 1])));
    out.append(lower(text.sub_bytes(offsets[i + 1], offsets[end])));
    i = end;
  }
  return out;
}

Value trim_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "trim", {"chars"});
  std::optional<std::string> chars;
  if (args.given(0) && !args.get(0)->is(Type::none)) chars = args.string(0, "");
  const Text text = soft_text(in, value);
  in.budget().charge_bytes(text.size_bytes());
  return Value::string(strip(text, Side::both, chars));
}

Value replace_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "replace", {"old", "new", "count"}, 2);
  const std::int64_t count = args.given(2) && args.get(2)->is(Type::none) ? -1 : args.integer(2, -1);
  return Value::string(bounded_replace(to_text(value, in.budget()),
                                       to_text(*args.get(0), in.budget()).bytes(),
                                       to_text(*args.get(1), in.budget()), count, in.budget()));
}

Value join_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "join", {"d", "attribute"});
  const AttributePath path(given_or_none(args, 1), nullptr);
  const Text separator = args.given(0) ? to_text(*args.get(0), in.budget()) : Text();
  std::vector<Text> parts;
  std::size_t bytes = 0;
  for (const Value& item : in.to_vector(value)) {
    parts.push_back(to_text(path.get(in, item), in.budget()));
    bytes += parts.back().size_bytes() + separator.size_bytes();
    if (bytes > in.budget().limits().output_bytes) in.budget().charge_bytes(bytes);
  }
  in.budget().charge_bytes(bytes);
  return Value::string(join(separator, parts));
}

Value indent_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "indent", {"width", "first", "blank"});
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_string()) fail_render("indent expects a str, found ", type_name(value));
  Text indent;
  if (args.given(0) && args.get(0)->is_string()) {
    indent = args.get(0)->as_text();
  } else {
    const std::int64_t width = std::max<std::int64_t>(args.integer(0, 4), 0);
    in.budget().charge_bytes(static_cast<std::size_t>(std::min<std::int64_t>(width, 1 << 30)));
    indent = Text(std::string(static_cast<std::size_t>(width), ' '), Origin::caller);
  }
  const Text line_end("\n", Origin::caller);
  Text text = value.as_text();
  const bool is_markup = text.is_markup;
  text.append(line_end);
  const std::vector<Text> lines = split_lines(text, false);
  Text out;
  if (args.flag(1, false)) out.append(indent);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out.append(line_end);
      if (args.flag(2, false) || !lines[i].empty()) out.append(indent);
    }
    out.append(lines[i]);
    if (i % 64 == 0) in.budget().charge_bytes(out.size_bytes());
  }
  in.budget().charge_bytes(out.size_bytes());
  out.is_markup = is_markup;
  return Value::string(std::move(out));
}

Value center_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "center", {"width"});
  Call width{{Value::integer(args.integer(0, 80))}, {}};
  return call_method(in, Value::string(soft_text(in, value)), "center", width);
}

Value truncate_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "truncate", {"length", "killwords", "end", "leeway"});
  const std::int64_t length = args.integer(0, 255), leeway = args.integer(3, 5);
  const Value end = args.given(2) ? *args.get(2) : Value::string("...", Origin::caller);
  if (!end.is_string()) fail_render("truncate expects a str as its end, found ", type_name(end));
  if (length < length_of(end.as_string())) fail_render("expected length >= ", length_of(end.as_string()));
  if (leeway < 0) fail_render("expected leeway >= 0, got ", leeway);
  if (templates::length(value) <= length + leeway) return value;
  if (!value.is_string()) fail_unsupported("truncating a ", type_name(value));
  Value cut =
      slice(value, Value(), Value::integer(length - length_of(end.as_string())), Value(), in.budget());
  if (!args.flag(1, false)) cut = Value::string(split_from_right(cut.as_text(), " ", 1)[0]);
  return add(cut, end, in.budget());
}

Value word_count_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "wordcount", {});
  std::int64_t count = 0;
  bool in_word = false;
  for (const char32_t c : code_points(soft_text(in, value).bytes())) {
    const bool is_word = c == '_' || is_letter(c) || is_numeric_category(c);
    count += is_word && !in_word;
    in_word = is_word;
  }
  return Value::integer(count);
}

Value string_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "string", {});
  return Value::string(soft_text(in, value));
}

Value safe_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "safe", {});
  Text text = to_text(value, in.budget());
  text.is_markup = true;
  return Value::string(std::move(text));
}

Value escape_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "escape", {});
  if (value.is_string() && value.as_text().is_markup) return value;
  return Value::string(escape_html(to_text(value, in.budget())));
}

Value force_escape_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "forceescape", {});
  return Value::string(escape_html(to_text(value, in.budget())));
}

Value format_filter(Interpreter& in, const Value& value, const Call& call) {
  if (!call.positional.empty() && !call.keywords.empty())
    fail_render("can't handle positional and keyword arguments at the same time");
  DictBuilder dict;
  for (const auto& [name, item] : call.keywords) dict.set(Value::string(name, Origin::template_text), item);
  const Value mapping = dict.finish();
  const Text text = soft_text(in, value);
  if (text.is_markup) fail_unsupported("formatting a safe string");
  return Value::string(
      format_percent(text, call.positional, call.keywords.empty() ? nullptr : &mapping, in.budget()));
}

Value tojson_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = args.flag(0, false);
  style.sort_keys = args.flag(3, false);
  if (args.given(1) && !args.get(1)->is(Type::none)) {
    style.pretty = true;
    style.item_separator = Text(",", Origin::caller);
    if (args.get(1)->is_string()) {
      style.indent = args.get(1)->as_text();
    } else {
      const std::int64_t width = std::max<std::int64_t>(args.integer(1, 0), 0);
      if (width > 1000) fail_unsupported("an indent of more than 1000 spaces");
      style.indent = Text(std::string(static_cast<std::size_t>(width), ' '), Origin::caller);
    }
  }
  if (args.given(2) && !args.get(2)->is(Type::none)) {
    const std::vector<Value> separators = in.to_vector(*args.get(2));
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string())
      fail_render("separators must be two strings");
    style.item_separator = separators[0].as_text();
    style.key_separator = separators[1].as_text();
  }
  return Value::string(to_json(value, style, in.budget()));
}

// ---- sequences

Value length_filter(Interpreter&, const Value& value, const Call& call) {
  const Bound args(call, "length", {});
  return Value::integer(length(value));
}

Value first_filter(Interpreter&, const Value& value, const Call& call) {
  const Bound args(call, "first", {});
  Elements elements(value);
  Value first;
  return elements.next(first) ? first : Value::undefined("No first item, sequence was empty.");
}

// The elements from the end; throws where Python's reversed() does.
std::vector<Value> reversed(Interpreter& in, const Value& value) {
  if (value.is(Type::generator)) fail_render("'generator' object is not reversible");
  if (value.is(Type::view) || value.is(Type::dict)) {
    std::vector<Value> items = in.to_vector(value);
    std::reverse(items.begin(), items.end());
    return items;
  }
  if (value.is_undefined()) {
    // reversed() uses len() and [], and len() of it is 0.
    return {};
  }
  std::vector<Value> items = in.to_vector(value);
  std::reverse(items.begin(), items.end());
  return items;
}

Value last_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "last", {});
  const std::vector<Value> items = reversed(in, value);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items[0];
}

Value reverse_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "reverse", {});
  if (value.is_string()) return slice(value, Value(), Value(), Value::integer(-1), in.budget());
  if (value.is(Type::generator)) {
    std::vector<Value> items = in.to_vector(value);
    std::reverse(items.begin(), items.end());
    return Value::list(std::move(items));
  }
  return Value::generator(reversed(in, value));
}

Value list_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "list", {});
  return Value::list(in.to_vector(value));
}

Value items_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "items", {});
  if (value.is_undefined()) return Value::generator({});
  if (!value.is(Type::dict)) fail_render("Can only get item pairs from a mapping.");
  std::vector<Value> items;
  for (const auto& [key, item] : value.as<DictHeap>().items) {
    in.budget().charge(1);
    items.push_back(Value::tuple({key, item}));
  }
  return Value::generator(std::move(items));
}

Value default_filter(Interpreter&, const Value& value, const Call& call) {
  const Bound args(call, "default", {"default_value", "boolean"});
  if (!value.is_undefined() && !(args.flag(1, false) && !is_true(value))) return value;
  return args.given(0) ? *args.get(0) : Value::string(Text());
}

void sort_values(std::vector<std::pair<Value, Value>>& keyed, bool backward, Budget& budget) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return backward ? less(b.first, a.first, budget) : less(a.first, b.first, budget);
  });
}

Value dictsort_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "dictsort", {"case_sensitive", "by", "reverse"});
  const std::string by = args.string(1, "key");
  if (by != "key" && by != "value") fail_render("You can only sort by either \"key\" or \"value\"");
  if (!value.is(Type::dict)) {
    if (value.is_undefined()) fail_undefined(value);
    fail_render("'", object_name(value), "' has no attribute 'items'");
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, item] : value.as<DictHeap>().items) {
    const Value& own = by == "key" ? key : item;
    keyed.emplace_back(args.flag(0, false) ? own : lower_if_text(own), Value::tuple({key, item}));
  }
  sort_values(keyed, args.flag(2, false), in.budget());
  std::vector<Value> items;
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return Value::list(std::move(items));
}

Value sort_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "sort", {"reverse", "case_sensitive", "attribute"});
  std::vector<AttributePath> paths;  // "a,b" sorts by a, then by b
  const Value attribute = given_or_none(args, 2);
  if (attribute.is_string())
    for (const Text& part : split(attribute.as_text(), ",", -1))
      paths.emplace_back(Value::string(part), nullptr);
  else
    paths.emplace_back(attribute, nullptr);
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : in.to_vector(value)) {
    std::vector<Value> keys;
    for (const AttributePath& path : paths) {
      const Value key = path.get(in, item);
      keys.push_back(args.flag(1, false) ? key : lower_if_text(key));
    }
    keyed.emplace_back(Value::list(std::move(keys)), std::move(item));
  }
  sort_values(keyed, args.flag(0, false), in.budget());
  std::vector<Value> items;
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return Value::list(std::move(items));
}

Value unique_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "unique", {"case_sensitive", "attribute"});
  const AttributePath path(given_or_none(args, 1), nullptr);
  std::vector<Value> seen, out;
  for (Value& item : in.to_vector(value)) {
    Value key = path.get(in, item);
    if (!args.flag(0, false)) key = lower_if_text(key);
    if (!is_hashable(key)) fail_render("unhashable type: '", type_name(key), "'");
    const bool known = std::any_of(seen.begin(), seen.end(),
                                   [&](const Value& other) { return equal(other, key, in.budget()); });
    if (known) continue;
    seen.push_back(std::move(key));
    out.push_back(std::move(item));
  }
  return Value::generator(std::move(out));
}

Value extreme(Interpreter& in, const Value& value, const Call& call, bool largest) {
  const Bound args(call, largest ? "max" : "min", {"case_sensitive", "attribute"});
  const AttributePath path(given_or_none(args, 1), nullptr);
  const std::vector<Value> items = in.to_vector(value);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  Value best, best_key;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Value key = path.get(in, items[i]);
    if (!args.flag(0, false)) key = lower_if_text(key);
    const bool better = i == 0 || (largest ? compare(key, best_key, Order::greater, in.budget())
                                           : less(key, best_key, in.budget()));
    if (!better) continue;
    best = items[i];
    best_key = std::move(key);
  }
  return best;
}

Value batch_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "batch", {"linecount", "fill_with"}, 1);
  const std::int64_t size = args.integer(0, 0);
  std::vector<Value> out, row;
  for (Value& item : in.to_vector(value)) {
    if (static_cast<std::int64_t>(row.size()) == size) out.push_back(Value::list(std::exchange(row, {})));
    row.push_back(std::move(item));
  }
  const Value fill = given_or_none(args, 1);
  if (!row.empty()) {
    while (!fill.is(Type::none) && static_cast<std::int64_t>(row.size()) < size) {
      in.budget().charge(1);
      row.push_back(fill);
    }
    out.push_back(Value::list(std::move(row)));
  }
  return Value::generator(std::move(out));
}

Value slice_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "slice", {"slices", "fill_with"}, 1);
  const std::int64_t slices = args.integer(0, 0);
  const std::vector<Value> items = in.to_vector(value);
  if (slices == 0) fail_render("integer division or modulo by zero");
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t each = slices > 0 ? size / slices : 0, extra = slices > 0 ? size % slices : 0;
  const Value fill = given_or_none(args, 1);
  std::vector<Value> out;
  std::int64_t at = 0;
  for (std::int64_t s = 0; s < slices; ++s) {
    in.budget().charge(1);
    const std::int64_t end = at + each + (s < extra ? 1 : 0);
    std::vector<Value> part(items.begin() + at, items.begin() + end);
    if (!fill.is(Type::none) && s >= extra) part.push_back(fill);
    out.push_back(Value::list(std::move(part)));
    at = end;
  }
  return Value::generator(std::move(out));
}

Value attr_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "attr", {"name"}, 1);
  const std::string name = args.string(0, "");
  if (value.is_undefined()) fail_undefined(value);
  // Attributes only, never the members of a dict.
  if (value.is(Type::dict) && !has_method(value, name))
    return Value::undefined(cat("'dict object' has no attribute '", name, "'"));
  return in.get_attribute(value, name);
}

Call arguments_after(const Call& call, std::size_t first) {
  Call rest;
  for (std::size_t i = first; i < call.positional.size(); ++i) rest.positional.push_back(call.positional[i]);
  rest.keywords = call.keywords;
  return rest;
}

std::string name_argument(const Call& call, std::size_t i, std::string_view what) {
  if (!call.positional[i].is_string()) fail_render("expected the name of a ", what);
  return call.positional[i].as_string();
}

Value map_filter(Interpreter& in, const Value& value, const Call& call) {
  std::vector<Value> out;
  if (!is_true(value)) return Value::generator({});
  const bool by_attribute = call.positional.empty() &&
                            std::any_of(call.keywords.begin(), call.keywords.end(),
                                        [](const auto& keyword) { return keyword.first == "attribute"; });
  if (by_attribute) {
    const Bound args(call, "map", {"attribute", "default"});
    const bool has_default = args.given(1) && !args.get(1)->is(Type::none);
    const AttributePath path(*args.get(0), has_default ? args.get(1) : nullptr);
    for (const Value& item : in.to_vector(value)) out.push_back(path.get(in, item));
  } else {
    if (call.positional.empty()) fail_render("map requires a filter argument");
    const std::string name = name_argument(call, 0, "filter");
    const Call rest = arguments_after(call, 1);
    for (const Value& item : in.to_vector(value)) out.push_back(in.apply_filter(name, item, rest));
  }
  return Value::generator(std::move(out));
}

// select, reject, selectattr and rejectattr.
Value select(Interpreter& in, const Value& value, const Call& call, bool keep, bool by_attribute) {
  std::vector<Value> out;
  if (!is_true(value)) return Value::generator({});
  const std::size_t first = by_attribute ? 1 : 0;
  if (call.positional.size() < first) fail_render("Missing parameter for attribute name");
  const AttributePath path(by_attribute ? call.positional[0] : Value(), nullptr);
  const bool has_test = call.positional.size() > first;
  const std::string name = has_test ? name_argument(call, first, "test") : "";
  const Call rest = arguments_after(call, first + 1);
  for (Value& item : in.to_vector(value)) {
    const Value tested = path.get(in, item);
    const bool holds = has_test ? in.apply_test(name, tested, rest) : is_true(tested);
    if (holds == keep) out.push_back(std::move(item));
  }
  return Value::generator(std::move(out));
}

struct Entry {
  std::string_view name;
  Filter filter;  // null: Jinja has it, this library does not
};

constexpr Entry kFilters[] = {
    {"abs", abs_filter},
    {"attr", attr_filter},
    {"batch", batch_filter},
    {"capitalize", map_text<capitalize>},
    {"center", center_filter},
    {"count", length_filter},
    {"d", default_filter},
    {"default", default_filter},
    {"dictsort", dictsort_filter},
    {"e", escape_filter},
    {"escape", escape_filter},
    {"filesizeformat", nullptr},
    {"first", first_filter},
    {"float", float_filter},
    {"forceescape", force_escape_filter},
    {"format", format_filter},
    {"groupby", nullptr},
    {"indent", indent_filter},
    {"int", int_filter},
    {"items", items_filter},
    {"join", join_filter},
    {"last", last_filter},
    {"length", length_filter},
    {"list", list_filter},
    {"lower", map_text<lower>},
    {"map", map_filter},
    {"max", [](Interpreter& in, const Value& v, const Call& c) { return extreme(in, v, c, true); }},
    {"min", [](Interpreter& in, const Value& v, const Call& c) { return extreme(in, v, c, false); }},
    {"pprint", nullptr},
    {"random", nullptr},
    {"reject", [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, false, false); }},
    {"rejectattr",
     [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, false, true); }},
    {"replace", replace_filter},
    {"reverse", reverse_filter},
    {"round", round_filter},
    {"safe", safe_filter},
    {"select", [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, true, false); }},
    {"selectattr",
     [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, true, true); }},
    {"slice", slice_filter},
    {"sort", sort_filter},
    {"string", string_filter},
    {"striptags", nullptr},
    {"sum", sum_filter},
    {"title", map_text<title_of_words>},
    {"tojson", tojson_filter},
    {"trim", trim_filter},
    {"truncate", truncate_filter},
    {"unique", unique_filter},
    {"upper", map_text<upper>},
    {"urlencode", nullptr},
    {"urlize", nullptr},
    {"wordcount", word_count_filter},
    {"wordwrap", nullptr},
    {"xmlattr", nullptr},
};

const Entry* find_entry(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFilters), std::end(kFilters),
                                   [&](const Entry& entry) { return entry.name == name; });
  return found == std::end(kFilters) ? nullptr : found;
}

}  // namespace

KnownName find_filter(std::string_view name) {
  const Entry* entry = find_entry(name);
  return {entry != nullptr, entry != nullptr && entry->filter != nullptr};
}

Value Interpreter::apply_filter(std::string_view name, const Value& value, const Call& call) {
  budget_.charge(1);
  const Entry* entry = find_entry(name);
  if (entry == nullptr) fail_render("no filter named ", quoted(name));
  if (entry->filter == nullptr) fail_unsupported("the filter ", name);
  return entry->filter(*this, value, call);
}

}  // namespace qwen::templates
