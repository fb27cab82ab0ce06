// evaluate, calibrate: on labelled texts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/batch.h"
#include "qwen-run/commands.h"
#include "qwen-run/evaluation_report.h"
#include "qwen-run/labelled_file.h"
#include "qwen-run/task_options.h"

namespace qwen_run {
namespace {

using tools::Json;
using tools::UsageError;

struct EvaluateFlags : TaskFlags {
  std::vector<std::string> tasks;  // of evaluate
  std::string task;                // of calibrate
  std::string data, label_column, out, predictions, encoding;
  TableFlags table;
  int limit = 0;
  bool json = false, offsets = false;

  void add_all(tools::CommandLine& app) {
    add(app);
    app.add("--data", data, "Table with the columns label and text: CSV, TSV or JSON lines")
        .type("FILE")
        .required()
        .group("Input");
    app.add("--limit", limit, "Use the first N texts only (0: all)")
        .range(0, tools::kMaxInt)
        .type("N")
        .group("Input");
    tools::add_encoding_option(app, encoding);
    table.add_input(app);
    app.add("--label-column", label_column,
            "Column of the labels: a name, or a number that counts from 1 (default: found)")
        .type("NAME")
        .group("Table");
    app.add_flag("--json", json, "One JSON object").group("Output");
  }

  TableReader open() const {
    TableOptions options = table.read;
    options.empty_texts = true;
    return TableReader(data, tools::parse_encoding(encoding), options);
  }
};

const qwen::Task& classifier_task(const qwen::TaskRegistry& registry, const std::string& name,
                                  const char* purpose) {
  const qwen::Task& task = registry.get(name);
  if (task.kind != qwen::TaskKind::classify)
    throw UsageError("task " + task.name + " has no labels to " + purpose);
  return task;
}

// All texts classified, with a progress bar.
TaskEvaluation classify_all(const EvaluateFlags& flags, const std::shared_ptr<qwen::Engine>& engine,
                            const qwen::Task& task, const std::vector<std::string>& texts,
                            const std::vector<int>& truth) {
  qwen::Classifier classifier = flags.classifier(engine, task);
  tools::RateBar bar(task.name, "texts", !flags.model.no_progress);
  const auto start = std::chrono::steady_clock::now();
  TaskEvaluation out{&task, classifier.calibrated(), {}, {}, 0};
  out.results = classifier.classify_batch(texts, flags.classify_mode(), [&](std::size_t i, const auto&) {
    bar.update(static_cast<double>(i + 1) / static_cast<double>(texts.size()), 0, static_cast<long>(i + 1));
    return true;
  });
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out.evaluation = qwen::evaluate(out.results, truth, task.labels.size());
  return out;
}

int truncated_texts(const TaskEvaluation& evaluation) {
  return static_cast<int>(std::count_if(evaluation.results.begin(), evaluation.results.end(),
                                        [](const auto& result) { return result.truncated_tokens > 0; }));
}

Json report_json(const EvaluateFlags& flags, const TaskEvaluation& each) {
  Json json = evaluation_json(*each.task, each.evaluation);
  json["mode"] = flags.mode;
  json["calibrated"] = each.calibrated;
  json["truncated"] = truncated_texts(each);
  json["seconds"] = each.seconds;
  json["texts_per_second"] = each.texts_per_second();
  return json;
}

std::string report_text(const EvaluateFlags& flags, const qwen::Model& model, const TaskEvaluation& each) {
  double computed = 0;
  for (const qwen::Classification& result : each.results)
    computed += result.prompt_tokens - result.cached_tokens;
  std::string out = "task " + each.task->name + " (mode " + flags.mode +
                    (each.calibrated ? ", calibrated" : "") + "), model " + model.info().name + ", " +
                    std::to_string(each.evaluation.texts) + " texts\n\n" +
                    evaluation_text(*each.task, each.evaluation);
  out += "\n" + number(each.texts_per_second(), "%.1f") + " texts/s, " +
         number(computed / each.seconds, "%.0f") + " tokens/s\n";
  return out;
}

// The rows with each task's answer. The columns of several tasks carry their names.
void write_predictions(const EvaluateFlags& flags, TableReader& input, const LabelledTexts& data,
                       const std::vector<TaskEvaluation>& evaluations,
                       const std::vector<std::vector<int>>& truth) {
  const auto name = [&](const TaskEvaluation& each, const char* column) {
    return evaluations.size() == 1 ? column : each.task->name + "_" + column;
  };
  std::vector<std::string> added;
  for (const TaskEvaluation& each : evaluations)
    for (const char* column : {"predicted", "probability", "right"}) added.push_back(name(each, column));
  TableWriter output(flags.predictions, ExistingFile::replace, flags.data, input, added);
  for (std::size_t i = 0; i < data.rows.size(); ++i) {
    Json answer = Json::object();
    for (std::size_t t = 0; t < evaluations.size(); ++t) {
      const TaskEvaluation& each = evaluations[t];
      const qwen::Classification& result = each.results[i];
      const bool answered = result.label >= 0 && !result.abstained;
      if (answered)
        answer[name(each, "predicted")] = each.task->labels[static_cast<std::size_t>(result.label)].text;
      if (!result.probabilities.empty())
        answer[name(each, "probability")] =
            *std::max_element(result.probabilities.begin(), result.probabilities.end());
      answer[name(each, "right")] = answered && result.label == truth[t][i];
    }
    output.write(data.rows[i], answer, "");
    if (i % 1024 == 0) output.flush();
  }
  output.flush();
}

int evaluate(const EvaluateFlags& flags) {
  const qwen::TaskRegistry registry = flags.registry();
  std::vector<const qwen::Task*> tasks;
  for (const std::string& name : flags.tasks) tasks.push_back(&classifier_task(registry, name, "evaluate"));
  TableReader input = flags.open();
  const LabelledTexts data = read_labelled(input, flags.label_column, flags.limit);
  std::vector<std::vector<int>> truth;  // [tasks][texts]
  for (const qwen::Task* task : tasks) truth.push_back(label_indices(data, *task, input.name()));
  const qwen::Model model = tools::load_model(flags.model);
  const auto engine = flags.engine(model);
  std::vector<TaskEvaluation> evaluations;
  for (std::size_t i = 0; i < tasks.size(); ++i)
    evaluations.push_back(classify_all(flags, engine, *tasks[i], data.texts, truth[i]));
  if (!flags.predictions.empty()) write_predictions(flags, input, data, evaluations, truth);
  for (const TaskEvaluation& each : evaluations)
    warn_truncated_texts(truncated_texts(each), each.task->name + ": ");
  if (flags.json) {
    Json list = Json::array();
    for (const TaskEvaluation& each : evaluations) list.push_back(report_json(flags, each));
    tools::write_json(list.size() == 1 ? list[0] : Json{{"tasks", list}});
  } else if (evaluations.size() == 1) {
    tools::write_out(report_text(flags, model, evaluations[0]));
  } else {
    tools::write_out(std::to_string(data.rows.size()) + " texts, mode " + flags.mode + ", model " +
                     model.info().name + "\n\n" + comparison_text(evaluations));
  }
  return tools::kExitOk;
}

std::string calibration_path(const EvaluateFlags& flags, const qwen::Task& task) {
  if (!flags.out.empty()) return flags.out;
  std::filesystem::path folder;
  if (!task.source.empty())
    folder = std::filesystem::path(task.source).parent_path();
  else if (!flags.folders.empty())
    folder = flags.folders.front();
  else
    throw UsageError("the task " + task.name +
                     " is built in: name the folder for its calibration with --tasks DIR, "
                     "or a file with -o FILE");
  return (folder / qwen::calibration_file_name(task)).string();
}

int calibrate(const EvaluateFlags& flags) {
  const qwen::TaskRegistry registry = flags.registry();
  qwen::Task task = classifier_task(registry, flags.task, "calibrate");
  const std::string path = calibration_path(flags, task);
  TableReader input = flags.open();
  const LabelledTexts data = read_labelled(input, flags.label_column, flags.limit);
  const std::vector<int> truth = label_indices(data, task, input.name());
  const qwen::Model model = tools::load_model(flags.model);
  task.calibration.reset();
  TaskEvaluation evaluation = classify_all(flags, flags.engine(model), task, data.texts, truth);
  std::vector<qwen::Classification>& results = evaluation.results;
  const qwen::Evaluation& before = evaluation.evaluation;
  qwen::Calibration calibration = qwen::fit_calibration(results, truth, flags.offsets);
  calibration.model = model.fingerprint();
  calibration.prompt = task.prompt_digest();
  for (qwen::Classification& result : results) {
    result.probabilities = qwen::apply_calibration(result.scores, calibration);
    result.label =
        static_cast<int>(std::max_element(result.probabilities.begin(), result.probabilities.end()) -
                         result.probabilities.begin());
  }
  const qwen::Evaluation after = qwen::evaluate(results, truth, task.labels.size());
  qwen::save_calibration(task, calibration, path);
  if (flags.json) {
    tools::write_json({{"file", path},
                       {"temperature", calibration.temperature},
                       {"offsets", calibration.offsets},
                       {"before", evaluation_json(task, before)},
                       {"after", evaluation_json(task, after)}});
    return tools::kExitOk;
  }
  const auto row = [](const char* name, double a, double b) {
    return padded(name, 20) + padded(number(a), 10) + number(b) + "\n";
  };
  tools::write_out("task " + task.name + ", " + std::to_string(after.texts) + " texts, temperature " +
                   number(calibration.temperature) + "\n\n" + padded("", 20) + padded("before", 10) +
                   "after\n" + row("accuracy", before.accuracy, after.accuracy) +
                   row("calibration error", before.calibration_error, after.calibration_error) +
                   row("log loss", before.log_loss, after.log_loss) +
                   "\n(on the texts it was fitted on; judge it on others with evaluate)\nwritten to " + path +
                   "\n");
  return tools::kExitOk;
}

}  // namespace

std::function<int()> evaluate_command(tools::CommandLine& app) {
  auto flags = std::make_shared<EvaluateFlags>();
  app.add("TASK", flags->tasks, "Tasks to compare; one gets a full report (qwen-run tasks lists them)")
      .type("")
      .required();
  flags->add_all(app);
  flags->add_mode(app);
  app.add("--predictions", flags->predictions,
          "Write the table with the answers, and whether they are right, to a .csv, .tsv or .jsonl file")
      .type("FILE")
      .group("Output");
  return [flags] { return evaluate(*flags); };
}

std::function<int()> calibrate_command(tools::CommandLine& app) {
  auto flags = std::make_shared<EvaluateFlags>();
  app.add("TASK", flags->task, "The task's name (qwen-run tasks lists them)").type("").required();
  flags->add_all(app);
  app.add_flag("--offsets", flags->offsets, "Fit an offset for each label too: for prompts that favour one")
      .group("Task");
  app.add("-o,--out", flags->out, "File to write instead of TASK.calibration.yaml beside the task")
      .type("FILE")
      .group("Output");
  return [flags] { return calibrate(*flags); };
}

}  // namespace qwen_run
