// The chat templates that are compiled in.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace qwen::templates {

struct BuiltinTemplate {
  std::string_view name;
  std::string text;  // Jinja
};
std::span<const BuiltinTemplate> builtin_templates();
const BuiltinTemplate* find_builtin_template(std::string_view name);
std::string builtin_template_names();  // for messages

}  // namespace qwen::templates
