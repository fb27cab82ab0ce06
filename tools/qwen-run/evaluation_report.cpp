#include "qwen-run/evaluation_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace qwen_run {

using tools::Json;

namespace {

// Width in terminal columns: CJK and emoji are two columns wide.
std::size_t columns_of(const std::string& text) {
  std::size_t columns = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) columns += byte >= 0xe2 ? 2 : 1;
  }
  return columns;
}

}  // namespace

std::string padded(std::string text, std::size_t width) {
  const std::size_t columns = columns_of(text);
  return text + std::string(columns < width ? width - columns : 1, ' ');
}

std::string number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

Json evaluation_json(const qwen::Task& task, const qwen::Evaluation& e) {
  Json json = {{"task", task.name},
               {"texts", e.texts},
               {"answered", e.answered},
               {"accuracy", e.accuracy},
               {"macro_f1", e.macro_f1}};
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    const qwen::LabelEvaluation& label = e.labels[i];
    json["labels"][task.labels[i].text] = {
        {"texts", label.texts}, {"precision", label.precision}, {"recall", label.recall}, {"f1", label.f1}};
  }
  json["confusion"] = e.confusion;
  if (e.scored) {
    json["calibration_error"] = e.calibration_error;
    json["log_loss"] = e.log_loss;
  }
  return json;
}

std::string evaluation_text(const qwen::Task& task, const qwen::Evaluation& e) {
  std::size_t width = 8;
  for (const qwen::TaskLabel& label : task.labels) width = std::max(width, columns_of(label.display) + 2);
  std::string out =
      "accuracy           " + number(e.accuracy) + "\nmacro F1           " + number(e.macro_f1) + "\n";
  if (e.scored)
    out += "calibration error  " + number(e.calibration_error) + "   (ECE, 15 bins)\nlog loss           " +
           number(e.log_loss) + "\n";
  if (e.answered < e.texts) out += "without an answer  " + std::to_string(e.texts - e.answered) + "\n";
  out +=
      "\n" + padded("", width) + padded("precision", 11) + padded("recall", 9) + padded("F1", 9) + "texts\n";
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    const qwen::LabelEvaluation& label = e.labels[i];
    out += padded(task.labels[i].display, width) + padded(number(label.precision), 11) +
           padded(number(label.recall), 9) + padded(number(label.f1), 9) + std::to_string(label.texts) + "\n";
  }
  out += "\nconfusion (a row for each true label, a column for each answer)\n" + padded("", width);
  for (const qwen::TaskLabel& label : task.labels) out += padded(label.display, width);
  out += "none\n";
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    out += padded(task.labels[i].display, width);
    for (std::size_t k = 0; k < e.confusion[i].size(); ++k) {
      const std::string count = std::to_string(e.confusion[i][k]);
      out += k + 1 < e.confusion[i].size() ? padded(count, width) : count + "\n";
    }
  }
  return out;
}

std::string comparison_text(const std::vector<TaskEvaluation>& evaluations) {
  std::size_t width = 6;
  for (const TaskEvaluation& each : evaluations) width = std::max(width, each.task->name.size() + 2);
  std::string out = padded("task", width) + padded("accuracy", 10) + padded("macro F1", 10) +
                    padded("calibration error", 19) + padded("log loss", 10) + padded("no answer", 11) +
                    "texts/s\n";
  for (const TaskEvaluation& each : evaluations) {
    const qwen::Evaluation& e = each.evaluation;
    const auto scored = [&](double value) { return e.scored ? number(value) : std::string("-"); };
    out += padded(each.task->name, width) + padded(number(e.accuracy), 10) + padded(number(e.macro_f1), 10) +
           padded(scored(e.calibration_error), 19) + padded(scored(e.log_loss), 10) +
           padded(std::to_string(e.texts - e.answered), 11) + number(each.texts_per_second(), "%.1f") + "\n";
  }
  return out;
}

}  // namespace qwen_run
