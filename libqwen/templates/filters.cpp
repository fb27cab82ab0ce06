#include "templates/filters.h"

#include <algorithm>
#include <charconv>

namespace qwen::templates {
namespace {

// Jinja has them, this library does not.
constexpr std::string_view kUnsupportedFilters[] = {"filesizeformat", "groupby",   "pprint",
                                                    "random",         "striptags", "urlencode",
                                                    "urlize",         "wordwrap",  "xmlattr"};

const Filter* filter_entry(std::string_view name) {
  for (const std::span<const Filter> filters : {number_filters(), text_filters(), sequence_filters()})
    for (const Filter& filter : filters)
      if (filter.name == name) return &filter;
  return nullptr;
}

bool is_unsupported(std::string_view name) {
  return std::find(std::begin(kUnsupportedFilters), std::end(kUnsupportedFilters), name) !=
         std::end(kUnsupportedFilters);
}

}  // namespace

AttributePath::AttributePath(const Value& path, const Value* otherwise) : otherwise_(otherwise) {
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

Value AttributePath::get(Interpreter& in, Value value) const {
  for (const Value& part : parts_) {
    value = in.get_item(value, part);
    if (otherwise_ != nullptr && value.is_undefined()) value = *otherwise_;
  }
  return value;
}

Value given_or_none(const Bound& args, std::size_t i) {
  return args.given(i) ? *args.get(i) : Value();
}

KnownName find_filter(std::string_view name) {
  const bool supported = filter_entry(name) != nullptr;
  return {supported || is_unsupported(name), supported};
}

Value Interpreter::apply_filter(std::string_view name, const Value& value, const Call& call) {
  budget_.charge(1);
  if (const Filter* filter = filter_entry(name)) return filter->apply(*this, value, call);
  if (is_unsupported(name)) fail_unsupported("the filter ", name);
  fail_render("no filter named ", quoted(name));
}

}  // namespace qwen::templates
