// The rules for all tasks, from files or made by hand.
#pragma once
#include <optional>
#include <string>

#include "qwen/task.h"

namespace qwen::tasks {

inline constexpr std::size_t kMaxName = 64, kMaxLabels = 1000, kMaxLabelText = 200, kMaxPrompt = 100000;

// The first rule that the task breaks, "KEY: reason"; no value if it is valid.
std::optional<std::string> validate_task(const Task& task);
// Throws Error(invalid_argument) if the task is not valid.
void require_valid(const Task& task);

}  // namespace qwen::tasks
