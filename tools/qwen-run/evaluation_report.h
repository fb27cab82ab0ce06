// How the quality of classifiers is shown.
#pragma once
#include <string>
#include <vector>

#include "common/output.h"
#include "qwen/qwen.h"

namespace qwen_run {

// A task on all texts of a file.
struct TaskEvaluation {
  const qwen::Task* task;
  bool calibrated = false;
  std::vector<qwen::Classification> results;  // [texts]
  qwen::Evaluation evaluation;
  double seconds = 0;

  double texts_per_second() const { return evaluation.texts / seconds; }
};

tools::Json evaluation_json(const qwen::Task& task, const qwen::Evaluation& e);
std::string evaluation_text(const qwen::Task& task, const qwen::Evaluation& e);
// A line for each task.
std::string comparison_text(const std::vector<TaskEvaluation>& evaluations);

// Filled with spaces to `width` columns of a terminal, at least one.
std::string padded(std::string text, std::size_t width);
std::string number(double value, const char* format = "%.4f");

}  // namespace qwen_run
