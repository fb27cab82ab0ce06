// A task's prompt for one text, within a number of tokens.
#pragma once
#include <functional>

#include "qwen/classifier.h"
#include "qwen/task.h"

namespace qwen::tasks {

using Prompt = Classifier::Prompt;

// The tokens of the whole prompt for a text.
using Render = std::function<std::vector<Token>(std::string_view text)>;

// Throws Error(context_full) if it is longer than `limit` and the task refuses to truncate, or nothing is left to
// truncate.
Prompt make_prompt(const Model& model, const Task& task, std::string_view text, int limit,
                   const Render& render);

// The common beginning of the prompts of a few very different texts.
std::vector<Token> fixed_prefix(const Render& render);

}  // namespace qwen::tasks
