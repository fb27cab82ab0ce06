// The formats of JSON Schema that are enforced.
#pragma once
#include <string_view>

namespace qwen::constraints {

// A regular expression that matches exactly the strings of the format; "" for a format that is not enforced.
std::string_view format_pattern(std::string_view format) noexcept;

}  // namespace qwen::constraints
