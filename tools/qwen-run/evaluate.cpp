// evaluate, calibrate: on labelled texts.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/commands.h"
#include "qwen-run/labelled_file.h"
#include "qwen-run/task_options.h"

namespace qwen_run {
namespace {

using tools::Json;
using tools::UsageError;

struct Flags : TaskFlags {
  std::string task, data, out, encoding;
  int limit = 0;
  bool json = false, offsets = false;

  void add_all(tools::CommandLine& app) {
    app.add("TASK", task, "The task's name (qwen-run tasks lists them)").type("").required();
    add(app);
    app.add("--data", data, "Tab-separated file; its first line names the columns, label and text among them")
        .type("FILE")
        .required()
        .group("Input");
    app.add("--limit", limit, "Use the first N texts only (0: all)")
        .range(0, tools::kMaxInt)
        .type("N")
        .group("Input");
    tools::add_encoding_option(app, encoding);
    app.add_flag("--json", json, "One JSON object").group("Output");
  }
};

// All texts classified, with a progress bar.
std::vector<qwen::Classification> classify_all(const Flags& flags, qwen::Classifier& classifier,
                                               const std::vector<std::string>& texts, double& seconds) {
  tools::ProgressBar bar("classifying", !flags.model.no_progress);
  const auto start = std::chrono::steady_clock::now();
  auto results = classifier.classify_batch(texts, flags.classify_mode(), [&](std::size_t i, const auto&) {
    bar.update(static_cast<double>(i + 1) / static_cast<double>(texts.size()));
    return true;
  });
  seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return results;
}

// Width in terminal columns: CJK and emoji are two columns wide.
std::size_t columns_of(const std::string& text) {
  std::size_t columns = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) columns += byte >= 0xe2 ? 2 : 1;
  }
  return columns;
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t columns = columns_of(text);
  return text + std::string(columns < width ? width - columns : 1, ' ');
}

std::string number(double value, const char* format = "%.4f") {
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

int evaluate(const Flags& flags) {
  const qwen::TaskRegistry registry = flags.registry();
  const qwen::Task& task = registry.get(flags.task);
  if (task.kind != qwen::TaskKind::classify)
    throw UsageError("task " + task.name + " has no labels to evaluate");
  const LabelledTexts data =
      read_labelled(flags.data, task, flags.limit, tools::parse_encoding(flags.encoding));
  const qwen::Model model = tools::load_model(flags.model);
  qwen::Classifier classifier = flags.classifier(model, task, flags.prefixes(model));
  double seconds = 0;
  const auto results = classify_all(flags, classifier, data.texts, seconds);
  const qwen::Evaluation evaluation = qwen::evaluate(results, data.labels, task.labels.size());
  double computed = 0;
  int truncated = 0;
  for (const qwen::Classification& result : results) {
    computed += result.prompt_tokens - result.cached_tokens;
    truncated += result.truncated_tokens > 0;
  }
  const double texts_per_second = evaluation.texts / seconds;
  if (flags.json) {
    Json json = evaluation_json(task, evaluation);
    json["mode"] = flags.mode;
    json["calibrated"] = classifier.calibrated();
    json["truncated"] = truncated;
    json["seconds"] = seconds;
    json["texts_per_second"] = texts_per_second;
    tools::write_json(json);
    return tools::kExitOk;
  }
  std::string out = "task " + task.name + " (mode " + flags.mode +
                    (classifier.calibrated() ? ", calibrated" : "") + "), model " + model.info().name + ", " +
                    std::to_string(evaluation.texts) + " texts\n\n" + evaluation_text(task, evaluation);
  out += "\n" + number(texts_per_second, "%.1f") + " texts/s, " + number(computed / seconds, "%.0f") +
         " tokens/s";
  if (truncated > 0) out += "; " + std::to_string(truncated) + " texts were too long and cut";
  tools::write_out(out + "\n");
  return tools::kExitOk;
}

std::string calibration_path(const Flags& flags, const qwen::Task& task) {
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

int calibrate(const Flags& flags) {
  const qwen::TaskRegistry registry = flags.registry();
  qwen::Task task = registry.get(flags.task);
  if (task.kind != qwen::TaskKind::classify)
    throw UsageError("task " + task.name + " has no labels to calibrate");
  const std::string path = calibration_path(flags, task);
  const LabelledTexts data =
      read_labelled(flags.data, task, flags.limit, tools::parse_encoding(flags.encoding));
  const qwen::Model model = tools::load_model(flags.model);
  task.calibration.reset();
  qwen::Classifier classifier = flags.classifier(model, task, flags.prefixes(model));
  double seconds = 0;
  auto results = classify_all(flags, classifier, data.texts, seconds);
  const qwen::Evaluation before = qwen::evaluate(results, data.labels, task.labels.size());
  qwen::Calibration calibration = qwen::fit_calibration(results, data.labels, flags.offsets);
  calibration.model = model.fingerprint();
  calibration.prompt = task.prompt_digest();
  for (qwen::Classification& result : results) {
    result.probabilities = qwen::apply_calibration(result.scores, calibration);
    result.label =
        static_cast<int>(std::max_element(result.probabilities.begin(), result.probabilities.end()) -
                         result.probabilities.begin());
  }
  const qwen::Evaluation after = qwen::evaluate(results, data.labels, task.labels.size());
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
  auto flags = std::make_shared<Flags>();
  flags->add_all(app);
  flags->add_mode(app);
  return [flags] { return evaluate(*flags); };
}

std::function<int()> calibrate_command(tools::CommandLine& app) {
  auto flags = std::make_shared<Flags>();
  flags->add_all(app);
  app.add_flag("--offsets", flags->offsets, "Fit an offset for each label too: for prompts that favour one")
      .group("Task");
  app.add("-o,--out", flags->out, "File to write instead of TASK.calibration.yaml beside the task")
      .type("FILE")
      .group("Output");
  return [flags] { return calibrate(*flags); };
}

}  // namespace qwen_run
