// From schemas, patterns and choices to programs.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "constraints/program.h"
#include "qwen/constraint.h"
#include "qwen/tool_call.h"

namespace qwen::constraints {

// Any JSON object, or any JSON value.
std::shared_ptr<const Program> compile_json(bool object, const JsonOptions& options);
std::shared_ptr<const Program> compile_schema(std::string_view schema, const JsonOptions& options);
std::shared_ptr<const Program> compile_text_regex(std::string_view pattern);
std::shared_ptr<const Program> compile_choice(std::span<const std::string> choices);
std::shared_ptr<const Program> compile_tools(std::span<const ToolFunction> functions,
                                             const ToolOptions& options);

}  // namespace qwen::constraints
