// A task's prompt for one text, within a number of tokens.
#pragma once
#include "qwen/classifier.h"
#include "qwen/task.h"

namespace qwen::tasks {

using Prompt = Classifier::Prompt;

// Error(context_full) where it is longer than `limit` and the task refuses to cut, or nothing is left to cut.
Prompt make_prompt(const Model& model, const Task& task, std::string_view text, int limit,
                   const std::vector<Message>& history = {}, std::string_view reply_to = {});

// The beginning that the prompts of all texts share, as far as a few very different texts tell.
std::vector<Token> fixed_prefix(const Model& model, const Task& task);

}  // namespace qwen::tasks
