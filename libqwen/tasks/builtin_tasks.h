// The task files that are compiled in (generated, see libqwen/CMakeLists.txt).
#pragma once
#include <span>
#include <string_view>

namespace qwen::tasks {

struct BuiltinTask {
  std::string_view file;  // "sentiment.yaml"
  std::string_view yaml;
};
std::span<const BuiltinTask> builtin_tasks() noexcept;

}  // namespace qwen::tasks
