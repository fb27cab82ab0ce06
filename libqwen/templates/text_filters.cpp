// Filters that make texts, and Hugging Face's tojson.
#include <algorithm>

#include "templates/filters.h"

namespace qwen::templates {
namespace {

// soft_str(): a str stays what it is, all else becomes one.
Text soft_text(Interpreter& in, const Value& value) {
  return value.is_string() ? value.as_text() : to_text(value, in.budget());
}

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

constexpr Filter kTextFilters[] = {
    {"capitalize", map_text<capitalize>},
    {"center", center_filter},
    {"e", escape_filter},
    {"escape", escape_filter},
    {"forceescape", force_escape_filter},
    {"format", format_filter},
    {"indent", indent_filter},
    {"join", join_filter},
    {"lower", map_text<lower>},
    {"replace", replace_filter},
    {"safe", safe_filter},
    {"string", string_filter},
    {"title", map_text<title_of_words>},
    {"tojson", tojson_filter},
    {"trim", trim_filter},
    {"truncate", truncate_filter},
    {"upper", map_text<upper>},
    {"wordcount", word_count_filter},
};

}  // namespace

std::span<const Filter> text_filters() {
  return kTextFilters;
}

}  // namespace qwen::templates
