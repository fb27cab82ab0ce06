// The task files that are compiled in (generated, see libqwen/CMakeLists.txt).
#pragma once
#include <span>
#include <string_view>

#include "qwen/task.h"

namespace qwen::tasks {

struct BuiltinTask {
  std::string_view file;  // "sentiment.yaml"
  std::string_view yaml;
};
std::span<const BuiltinTask> builtin_tasks() noexcept;
// As Task::parse(), without compiling the schema, which a test does: programs would do it at every start.
Task parse_builtin(const BuiltinTask& builtin);

}  // namespace qwen::tasks
