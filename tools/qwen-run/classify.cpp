// sentiment, classify: one text, a table, or JSON lines.
#include <nlohmann/json.hpp>
#include <optional>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/batch.h"
#include "qwen-run/commands.h"
#include "qwen-run/task_options.h"

namespace qwen_run {
namespace {

using tools::Json;
using tools::UsageError;

struct Flags : TaskFlags {
  std::string task = "sentiment";
  TextInput input;
  TableFlags table;
  bool json = false, jsonl = false;
  tools::Option positional;
};

// --jsonl: an answer for each line, without the line's own keys.
class AnswerLines : public RowWriter {
 public:
  void write(const TableRow&, const Json& answer, const std::string& error) override {
    tools::write_json(error.empty() ? answer : Json{{"error", error}});
  }
  void flush() override { tools::flush_out(); }
};

int classify_lines(const Flags& flags, qwen::Classifier& classifier, TableReader& lines) {
  AnswerLines output;
  const auto answerer = make_classifier_answerer(classifier, flags.classify_mode(), true);
  const BatchSummary summary =
      run_batch(lines, *answerer, output, !flags.model.no_progress && !tools::stdout_is_terminal(), false);
  return summary.interrupted  ? tools::kExitInterrupted
         : summary.broken > 0 ? tools::kExitFailed
                              : tools::kExitOk;
}

int classify_table(const Flags& flags, const qwen::Task& task) {
  if (flags.json)
    throw UsageError("--json applies to one text; for a table: --format jsonl or -o FILE.jsonl");
  std::optional<qwen::Classifier> classifier;
  return label_table(flags.table, flags.input.path_for_lines(), flags.input.encoding(),
                     !flags.model.no_progress, [&] {
                       const qwen::Model model = tools::load_model(flags.model);
                       classifier.emplace(flags.classifier(flags.engine(model), task));
                       return make_classifier_answerer(*classifier, flags.classify_mode(), false);
                     });
}

int classify(const Flags& flags) {
  const qwen::TaskRegistry registry = flags.registry();
  const qwen::Task& task = registry.get(flags.task);
  if (task.kind != qwen::TaskKind::classify)
    throw qwen::Error(qwen::ErrorCode::invalid_argument,
                      "task " + task.name + " generates text; expected a classifier");
  if (flags.jsonl && flags.json) throw UsageError("--jsonl writes JSON already: leave out --json");
  if (!flags.jsonl && flags.table.wanted(flags.input)) return classify_table(flags, task);
  std::optional<TableReader> lines;
  std::string text;
  if (flags.jsonl)
    lines.emplace(flags.input.path_for_lines(), flags.input.encoding(),
                  TableOptions{.format = "jsonl", .text_column = "text", .empty_texts = true});
  else
    text = flags.input.read(true);
  const qwen::Model model = tools::load_model(flags.model);
  qwen::Classifier classifier = flags.classifier(flags.engine(model), task);
  if (lines) return classify_lines(flags, classifier, *lines);
  const qwen::Classification result = classifier.classify(text, flags.classify_mode());
  if (result.truncated_tokens > 0)
    tools::warn("text truncated: its last " + std::to_string(result.truncated_tokens) +
                " tokens did not fit");
  if (flags.json)
    tools::write_json(label_json(task, result));
  else
    tools::write_out(label_line(task, result) + "\n");
  if (flags.model.verbose)
    std::fprintf(stderr, "[%d tokens, %d of them cached, %.1f ms]\n", result.prompt_tokens,
                 result.cached_tokens, result.seconds * 1e3);
  return tools::kExitOk;
}

std::function<int()> setup(tools::CommandLine& app, std::shared_ptr<Flags> flags) {
  flags->input.add(app, "The text");
  flags->add(app);
  flags->add_mode(app);
  flags->add_cache(app);
  app.add_flag("--json", flags->json, "One JSON object").group("Output");
  const tools::Option jsonl =
      app.add_flag("--jsonl", flags->jsonl,
                   "Read {\"text\":...} lines (-f FILE, else stdin), write one JSON line each")
          .group("Output");
  flags->table.add_input(app, jsonl);
  flags->table.add_output(app, jsonl);
  return [flags] { return classify(*flags); };
}

}  // namespace

std::function<int()> sentiment_command(tools::CommandLine& app) {
  auto flags = std::make_shared<Flags>();
  app.add("--task", flags->task,
          "Another prompt for the same question: sentiment_brief, sentiment_en, your own")
      .type("NAME")
      .group("Task");
  return setup(app, flags);
}

std::function<int()> classify_command(tools::CommandLine& app) {
  auto flags = std::make_shared<Flags>();
  app.add("TASK", flags->task, "The task's name (qwen-run tasks lists them)").type("").required();
  return setup(app, flags);
}

}  // namespace qwen_run
