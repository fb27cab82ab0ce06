// The token sequences of a task's labels.
#pragma once
#include <vector>

#include "qwen/model.h"
#include "qwen/task.h"

namespace qwen::tasks {

// What the model would write for each label, [labels]. Throws Error(invalid_argument) if two labels have the same
// tokens.
std::vector<std::vector<Token>> label_tokens(const Model& model, const Task& task);

}  // namespace qwen::tasks
