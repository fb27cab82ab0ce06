// What every task must obey, wherever it comes from.
#pragma once
#include <optional>
#include <string>

#include "qwen/task.h"
#include "tasks/errors.h"

namespace qwen::tasks {

inline constexpr std::size_t kMaxName = 64, kMaxLabels = 1000, kMaxLabelText = 200, kMaxPrompt = 100000;

// The first rule that the task breaks, "KEY: reason"; nothing where it is fine.
std::optional<std::string> validate_task(const Task& task);

}  // namespace qwen::tasks
