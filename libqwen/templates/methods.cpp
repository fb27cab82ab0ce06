// Methods of Python's str, dict, list and tuple, and of Jinja's loop and cycler.
#include <algorithm>
#include <limits>

#include "templates/interpreter.h"

namespace qwen::templates {
namespace {

// All methods that Python has: those that are not implemented below are refused by name when they are called.
constexpr std::string_view kTextMethods[] = {
    "capitalize", "casefold",     "center",       "count",   "encode",     "endswith",    "expandtabs",
    "find",       "format",       "format_map",   "index",   "isalnum",    "isalpha",     "isascii",
    "isdecimal",  "isdigit",      "isidentifier", "islower", "isnumeric",  "isprintable", "isspace",
    "istitle",    "isupper",      "join",         "ljust",   "lower",      "lstrip",      "maketrans",
    "partition",  "removeprefix", "removesuffix", "replace", "rfind",      "rindex",      "rjust",
    "rpartition", "rsplit",       "rstrip",       "split",   "splitlines", "startswith",  "strip",
    "swapcase",   "title",        "translate",    "upper",   "zfill"};
constexpr std::string_view kDictMethods[] = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                             "pop",   "popitem", "setdefault", "update", "values"};
constexpr std::string_view kListMethods[] = {"append", "clear", "copy",   "count",   "extend", "index",
                                             "insert", "pop",   "remove", "reverse", "sort"};
constexpr std::string_view kTupleMethods[] = {"count", "index"};
constexpr std::string_view kIntegerMethods[] = {"as_integer_ratio", "bit_count",   "bit_length",
                                                "conjugate",        "denominator", "imag",
                                                "numerator",        "real",        "to_bytes"};
constexpr std::string_view kRealMethods[] = {"as_integer_ratio", "conjugate", "hex", "imag",
                                             "is_integer",       "real"};
constexpr std::string_view kMutatingDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kMutatingList[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};

template <std::size_t N>
bool is_in(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// A str argument as text: in methods of a safe string it is escaped, as Python's Markup does it.
Text text_argument(const Value& self, const Value& argument, std::string_view method) {
  if (!argument.is_string()) fail_render(method, "() expects a str, found ", type_name(argument));
  const Text& text = argument.as_text();
  return self.as_text().is_markup && !text.is_markup ? escape_html(text) : text;
}

std::optional<std::string> optional_text(const Value& self, const Bound& args, std::size_t i,
                                         std::string_view method) {
  if (!args.given(i) || args.get(i)->is(Type::none)) return std::nullopt;
  return text_argument(self, *args.get(i), method).bytes();
}

Value text_list(std::vector<Text> parts) {
  std::vector<Value> items;
  for (Text& part : parts) items.push_back(Value::string(std::move(part)));
  return Value::list(std::move(items));
}

// The code points [start, end) that optional arguments select, as bytes. nullopt: start is beyond the end.
struct Window {
  std::size_t begin_bytes, end_bytes;
  std::int64_t begin;  // in code points
};
std::optional<Window> window_of(const Text& text, const Bound& args, std::size_t first) {
  const std::vector<std::size_t> offsets = code_point_offsets(text.bytes());
  const auto length = static_cast<std::int64_t>(offsets.size()) - 1;
  const auto position = [&](std::size_t i, std::int64_t otherwise) {
    if (!args.given(i) || args.get(i)->is(Type::none)) return otherwise;
    std::int64_t at = args.integer(i, 0);
    if (at < 0) at = std::max<std::int64_t>(at + length, 0);
    return at;
  };
  const std::int64_t begin = position(first, 0), end = std::min(position(first + 1, length), length);
  if (begin > length || begin > end) return std::nullopt;
  return Window{offsets[static_cast<std::size_t>(begin)], offsets[static_cast<std::size_t>(end)], begin};
}

Value starts_or_ends(const Text& text, const Bound& args, bool at_end) {
  std::vector<Value> affixes = {*args.get(0)};
  if (affixes[0].is(Type::tuple)) affixes = std::vector<Value>(affixes[0].items());
  for (const Value& affix : affixes) {
    if (affix.is_undefined() || !affix.is_string())
      fail_render(at_end ? "endswith" : "startswith", " first arg must be str or a tuple of str, not ",
                  type_name(affix));
  }
  const std::optional<Window> window = window_of(text, args, 1);
  if (!window) return Value::boolean(false);
  const std::string_view part =
      std::string_view(text.bytes()).substr(window->begin_bytes, window->end_bytes - window->begin_bytes);
  return Value::boolean(std::any_of(affixes.begin(), affixes.end(), [&](const Value& affix) {
    return at_end ? part.ends_with(affix.as_string()) : part.starts_with(affix.as_string());
  }));
}

Value find_text(const Text& text, const Bound& args, bool from_right, bool must_exist) {
  if (!args.get(0)->is_string()) fail_render("must be str, not ", type_name(*args.get(0)));
  const std::string& wanted = args.get(0)->as_string();
  std::int64_t found = -1;
  if (const std::optional<Window> window = window_of(text, args, 1)) {
    const std::string_view part =
        std::string_view(text.bytes()).substr(window->begin_bytes, window->end_bytes - window->begin_bytes);
    const std::size_t at = from_right ? part.rfind(wanted) : part.find(wanted);
    if (at != std::string_view::npos) found = window->begin + length_of(part.substr(0, at));
  }
  if (found < 0 && must_exist) fail_render("substring not found");
  return Value::integer(found);
}

Value count_text(const Text& text, const Bound& args) {
  if (!args.get(0)->is_string()) fail_render("must be str, not ", type_name(*args.get(0)));
  const std::string& wanted = args.get(0)->as_string();
  const std::optional<Window> window = window_of(text, args, 1);
  if (!window) return Value::integer(0);
  const std::string_view part =
      std::string_view(text.bytes()).substr(window->begin_bytes, window->end_bytes - window->begin_bytes);
  if (wanted.empty()) return Value::integer(length_of(part) + 1);
  std::int64_t count = 0;
  for (std::size_t at = part.find(wanted); at != std::string_view::npos;
       at = part.find(wanted, at + wanted.size()))
    ++count;
  return Value::integer(count);
}

Value partition(const Value& self, const Text& separator, bool from_right) {
  const Text& text = self.as_text();
  if (separator.empty()) fail_render("empty separator");
  const std::size_t at =
      from_right ? text.bytes().rfind(separator.bytes()) : text.bytes().find(separator.bytes());
  const Value nothing = Value::string(Text());
  if (at == std::string::npos)
    return from_right ? Value::tuple({nothing, nothing, self}) : Value::tuple({self, nothing, nothing});
  const std::size_t end = at + separator.size_bytes();
  return Value::tuple({Value::string(text.sub_bytes(0, at)), Value::string(text.sub_bytes(at, end)),
                       Value::string(text.sub_bytes(end, text.size_bytes()))});
}

Value pad(const Text& text, const Bound& args, std::string_view method, Budget& budget) {
  const std::int64_t width = args.integer(0, 0);
  const std::string fill = args.string(1, " ");
  if (length_of(fill) != 1) fail_render("The fill character must be exactly one character long");
  const std::int64_t missing = std::max<std::int64_t>(width - length_of(text.bytes()), 0);
  budget.charge_bytes(static_cast<std::size_t>(std::min<std::int64_t>(missing, 1 << 30)) * fill.size());
  std::int64_t left = method == "rjust" ? missing : 0;
  if (method == "center") left = missing / 2 + (missing & width & 1);
  Text out;
  out.is_markup = text.is_markup;
  const auto add = [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) out.append(fill, Origin::caller);
  };
  add(left);
  out.append(text);
  add(missing - left);
  return Value::string(std::move(out));
}

Value zero_fill(const Text& text, std::int64_t width, Budget& budget) {
  const std::int64_t missing = std::max<std::int64_t>(width - length_of(text.bytes()), 0);
  budget.charge_bytes(static_cast<std::size_t>(std::min<std::int64_t>(missing, 1 << 30)));
  const bool sign = text.bytes().starts_with('-') || text.bytes().starts_with('+');
  Text out = text.sub_bytes(0, sign ? 1 : 0);
  out.append(std::string(static_cast<std::size_t>(missing), '0'), Origin::caller);
  out.append(text.sub_bytes(sign ? 1 : 0, text.size_bytes()));
  return Value::string(std::move(out));
}

// The methods that say what characters a text is of.
std::optional<bool> classify(std::string_view text, std::string_view method) {
  if (method == "islower") return is_lower_text(text);
  if (method == "isupper") return is_upper_text(text);
  if (method == "istitle") return is_title_text(text);
  bool (*holds)(char32_t) noexcept = nullptr;
  if (method == "isspace") holds = is_space;
  if (method == "isalpha") holds = is_letter;
  if (method == "isdecimal") holds = is_decimal;
  if (method == "isdigit") holds = is_digit;
  if (method == "isprintable") holds = is_printable;
  if (method == "isascii") holds = [](char32_t c) noexcept { return c < 0x80; };
  if (holds == nullptr) return std::nullopt;
  const std::vector<char32_t> points = code_points(text);
  const bool empty = method == "isprintable" || method == "isascii";  // what an empty text is
  return points.empty() ? empty : std::all_of(points.begin(), points.end(), holds);
}

Value split_text(const Value& self, const Call& call, bool from_right) {
  const std::string_view method = from_right ? "rsplit" : "split";
  const Bound args(call, method, {"sep", "maxsplit"});
  const std::optional<std::string> separator = optional_text(self, args, 0, method);
  if (separator && separator->empty()) fail_render("empty separator");
  const std::int64_t limit = args.integer(1, -1);
  return text_list(from_right ? split_from_right(self.as_text(), separator, limit)
                              : templates::split(self.as_text(), separator, limit));
}

Value strip_text(const Value& self, const std::string& name, const Call& call) {
  const Bound args(call, name, {"chars"});
  const Side side = name == "strip" ? Side::both : name == "lstrip" ? Side::left : Side::right;
  return Value::string(strip(self.as_text(), side, optional_text(self, args, 0, name)));
}

Value join_text(Interpreter& interpreter, const Value& self, const Call& call) {
  const Bound args(call, "join", {"iterable"}, 1);
  std::vector<Text> parts;
  std::size_t bytes = 0;
  for (const Value& item : interpreter.to_vector(*args.get(0))) {
    if (!item.is_string())
      fail_render("sequence item ", parts.size(), ": expected str instance, ", type_name(item), " found");
    parts.push_back(text_argument(self, item, "join"));
    bytes += parts.back().size_bytes() + self.as_text().size_bytes();
    interpreter.budget().charge_bytes(bytes);
  }
  Text out = templates::join(self.as_text(), parts);
  out.is_markup = self.as_text().is_markup;
  return Value::string(std::move(out));
}

Value replace_text(Interpreter& interpreter, const Value& self, const Call& call) {
  const Bound args(call, "replace", {"old", "new", "count"}, 2);
  const Text from = text_argument(self, *args.get(0), "replace"),
             to = text_argument(self, *args.get(1), "replace");
  return Value::string(
      bounded_replace(self.as_text(), from.bytes(), to, args.integer(2, -1), interpreter.budget()));
}

Value call_text_method(Interpreter& interpreter, const Value& self, const std::string& name,
                       const Call& call) {
  const Text& text = self.as_text();
  Budget& budget = interpreter.budget();
  budget.charge_bytes(text.size_bytes());
  if (name == "strip" || name == "lstrip" || name == "rstrip") return strip_text(self, name, call);
  if (name == "split" || name == "rsplit") return split_text(self, call, name == "rsplit");
  if (name == "startswith" || name == "endswith")
    return starts_or_ends(text, Bound(call, name, {"prefix", "start", "end"}, 1), name == "endswith");
  if (name == "replace") return replace_text(interpreter, self, call);
  if (name == "join") return join_text(interpreter, self, call);
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex")
    return find_text(text, Bound(call, name, {"sub", "start", "end"}, 1), name[0] == 'r',
                     name.ends_with("index"));
  if (name == "count") return count_text(text, Bound(call, name, {"sub", "start", "end"}, 1));
  if (name == "splitlines") {
    const Bound args(call, name, {"keepends"});
    return text_list(split_lines(text, args.flag(0, false)));
  }
  if (name == "partition" || name == "rpartition") {
    const Bound args(call, name, {"sep"}, 1);
    return partition(self, text_argument(self, *args.get(0), name), name == "rpartition");
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const Bound args(call, name, {"affix"}, 1);
    const std::string affix = args.string(0, "");
    if (name == "removeprefix")
      return Value::string(
          text.sub_bytes(text.bytes().starts_with(affix) ? affix.size() : 0, text.size_bytes()));
    const bool found = !affix.empty() && text.bytes().ends_with(affix);
    return Value::string(text.sub_bytes(0, text.size_bytes() - (found ? affix.size() : 0)));
  }
  if (name == "ljust" || name == "rjust" || name == "center")
    return pad(text, Bound(call, name, {"width", "fillchar"}, 1), name, budget);
  if (name == "zfill") return zero_fill(text, Bound(call, name, {"width"}, 1).integer(0, 0), budget);
  constexpr std::string_view kCaseMethods[] = {"upper", "lower", "title", "capitalize", "swapcase"};
  const std::optional<bool> is = classify(text.bytes(), name);
  if (!is && !is_in(kCaseMethods, name)) fail_unsupported("the method str.", name);
  const Bound no_arguments(call, name, {});
  if (is) return Value::boolean(*is);
  if (name == "upper") return Value::string(upper(text));
  if (name == "lower") return Value::string(lower(text));
  if (name == "title") return Value::string(title(text));
  if (name == "capitalize") return Value::string(capitalize(text));
  return Value::string(swap_case(text));
}

Value view(std::string_view name, std::vector<Value> items) {
  auto heap = std::make_shared<ViewHeap>();
  heap->name = std::string(name);
  for (const Value& item : items) heap->depth = std::max(heap->depth, item.depth() + 1);
  heap->items = std::move(items);
  return Value::object(Type::view, std::move(heap));
}

Value call_dict_method(Interpreter& interpreter, const Value& self, const std::string& name,
                       const Call& call) {
  const DictHeap& dict = self.as<DictHeap>();
  interpreter.budget().charge(dict.items.size() + 1);
  if (name == "get") {
    const Bound args(call, name, {"key", "default"}, 1);
    if (!call.keywords.empty()) fail_render("get() takes no keyword arguments");
    if (!is_hashable(*args.get(0))) fail_render("unhashable type: '", type_name(*args.get(0)), "'");
    if (const Value* found = dict.find(*args.get(0))) return *found;
    return args.given(1) ? *args.get(1) : Value();
  }
  if (name != "items" && name != "keys" && name != "values" && name != "copy")
    fail_unsupported("the method dict.", name);
  const Bound no_arguments(call, name, {});
  if (name == "copy") return self;
  std::vector<Value> items;
  for (const auto& [key, value] : dict.items)
    items.push_back(name == "keys" ? key : name == "values" ? value : Value::tuple({key, value}));
  return view("dict_" + name, std::move(items));
}

Value call_sequence_method(Interpreter& interpreter, const Value& self, const std::string& name,
                           const Call& call) {
  if (name == "copy" && self.is(Type::list)) return Bound(call, name, {}), self;
  if (name != "count" && name != "index") fail_unsupported("the method ", type_name(self), ".", name);
  const Bound args(call, name, {"value"}, 1);
  std::int64_t count = 0, at = 0;
  for (const Value& item : self.items()) {
    const bool same = equal(item, *args.get(0), interpreter.budget());
    if (same && name == "index") return Value::integer(at);
    count += same;
    ++at;
  }
  if (name == "index") fail_render("the value is not in the ", type_name(self));
  return Value::integer(count);
}

Value call_loop_method(Interpreter& interpreter, const Value& self, const std::string& name,
                       const Call& call) {
  const LoopHeap& loop = self.as<LoopHeap>();
  if (!call.keywords.empty()) fail_render(name, "() takes no keyword arguments");
  if (name == "cycle") {
    if (call.positional.empty()) fail_render("no items for cycling given");
    return call.positional[static_cast<std::size_t>(loop.index0) % call.positional.size()];
  }
  const bool same =
      loop.last_changed && loop.last_changed->size() == call.positional.size() &&
      std::equal(call.positional.begin(), call.positional.end(), loop.last_changed->begin(),
                 [&](const Value& a, const Value& b) { return equal(a, b, interpreter.budget()); });
  if (!same) loop.last_changed = call.positional;
  return Value::boolean(!same);
}

Value call_cycler_method(const Value& self, const std::string& name, const Call& call) {
  const Bound no_arguments(call, name, {});
  const CyclerHeap& cycler = self.as<CyclerHeap>();
  if (name == "reset") {
    cycler.position = 0;
    return {};
  }
  const Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

}  // namespace

Text bounded_replace(const Text& text, const std::string& from, const Text& to, std::int64_t limit,
                     Budget& budget) {
  // How large the result will be, before it is made.
  std::size_t count = 0;
  if (from.empty()) {
    count = static_cast<std::size_t>(length_of(text.bytes())) + 1;
  } else {
    for (std::size_t at = text.bytes().find(from); at != std::string::npos;
         at = text.bytes().find(from, at + from.size()))
      ++count;
  }
  if (limit >= 0) count = std::min(count, static_cast<std::size_t>(limit));
  budget.charge(count);
  if (to.size_bytes() > 0 && count > budget.limits().output_bytes / to.size_bytes())
    budget.charge_bytes(budget.limits().output_bytes + 1);
  budget.charge_bytes(text.size_bytes() + count * to.size_bytes());
  return templates::replace(text, from, to, limit);
}

bool has_method(const Value& object, std::string_view name) {
  switch (object.type()) {
    case Type::string: return is_in(kTextMethods, name);
    case Type::dict: return is_in(kDictMethods, name);
    case Type::list: return is_in(kListMethods, name);
    case Type::tuple:
    case Type::range: return is_in(kTupleMethods, name);
    case Type::boolean:
    case Type::integer:
    case Type::big_integer: return is_in(kIntegerMethods, name);
    case Type::real: return is_in(kRealMethods, name);
    case Type::cycler: return name == "next" || name == "reset";
    default: return false;
  }
}

bool is_mutating_method(const Value& object, std::string_view name) {
  return (object.is(Type::dict) && is_in(kMutatingDict, name)) ||
         (object.is(Type::list) && is_in(kMutatingList, name));
}

Value call_method(Interpreter& interpreter, const Value& self, const std::string& name, const Call& call) {
  switch (self.type()) {
    case Type::string: return call_text_method(interpreter, self, name, call);
    case Type::dict: return call_dict_method(interpreter, self, name, call);
    case Type::list:
    case Type::tuple: return call_sequence_method(interpreter, self, name, call);
    case Type::loop: return call_loop_method(interpreter, self, name, call);
    case Type::cycler: return call_cycler_method(self, name, call);
    default: fail_unsupported("the method ", type_name(self), ".", name);
  }
}

}  // namespace qwen::templates
