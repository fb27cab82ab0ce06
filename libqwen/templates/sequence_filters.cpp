// Filters of sequences, dicts and attributes.
#include <algorithm>
#include <utility>

#include "templates/filters.h"

namespace qwen::templates {
namespace {

Value lower_if_text(const Value& value) {
  return value.is_string() ? Value::string(lower(value.as_text())) : value;
}

Value sum_filter(Interpreter& in, const Value& value, const Call& call) {
  const Bound args(call, "sum", {"attribute", "start"});
  const AttributePath path(given_or_none(args, 0), nullptr);
  Value total = args.given(1) ? *args.get(1) : Value::integer(0);
  if (total.is_string()) fail_render("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : in.to_vector(value)) total = add(total, path.get(in, item), in.budget());
  return total;
}

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

constexpr Filter kSequenceFilters[] = {
    {"attr", attr_filter},
    {"batch", batch_filter},
    {"count", length_filter},
    {"d", default_filter},
    {"default", default_filter},
    {"dictsort", dictsort_filter},
    {"first", first_filter},
    {"items", items_filter},
    {"last", last_filter},
    {"length", length_filter},
    {"list", list_filter},
    {"map", map_filter},
    {"max", [](Interpreter& in, const Value& v, const Call& c) { return extreme(in, v, c, true); }},
    {"min", [](Interpreter& in, const Value& v, const Call& c) { return extreme(in, v, c, false); }},
    {"reject", [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, false, false); }},
    {"rejectattr",
     [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, false, true); }},
    {"reverse", reverse_filter},
    {"select", [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, true, false); }},
    {"selectattr",
     [](Interpreter& in, const Value& v, const Call& c) { return select(in, v, c, true, true); }},
    {"slice", slice_filter},
    {"sort", sort_filter},
    {"sum", sum_filter},
    {"unique", unique_filter},
};

}  // namespace

std::span<const Filter> sequence_filters() {
  return kSequenceFilters;
}

}  // namespace qwen::templates
