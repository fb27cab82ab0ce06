// Making metadata values. Strings and numbers are referred to, not copied.
#pragma once
#include <utility>

#include "formats/model_file.h"

namespace qwen::formats {

inline MetaValue meta_integer(MetaType type, std::int64_t value) {
  MetaValue out;
  out.type = type;
  out.integer = value;
  return out;
}
inline MetaValue meta_u32(std::uint32_t value) {
  return meta_integer(MetaType::u32, value);
}
inline MetaValue meta_boolean(bool value) {
  return meta_integer(MetaType::boolean, value ? 1 : 0);
}
inline MetaValue meta_f32(float value) {
  MetaValue out;
  out.type = MetaType::f32;
  out.real = value;
  return out;
}
inline MetaValue meta_string(std::string_view value) {
  MetaValue out;
  out.type = MetaType::string;
  out.string = value;
  return out;
}
inline MetaValue meta_strings(std::vector<std::string_view> values) {
  MetaValue out;
  out.type = MetaType::array;
  out.element = MetaType::string;
  out.count = values.size();
  out.strings = std::move(values);
  return out;
}
// An array of numbers from memory; T must be the C++ type of `element`.
template <class T>
MetaValue meta_numbers(MetaType element, std::span<const T> values) {
  MetaValue out;
  out.type = MetaType::array;
  out.element = element;
  out.count = values.size();
  out.numbers = std::as_bytes(values);
  return out;
}

}  // namespace qwen::formats
