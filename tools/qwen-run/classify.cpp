// sentiment, classify, task: one text, a table, or JSON lines.
#include <memory>
#include <nlohmann/json.hpp>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/answer.h"
#include "qwen-run/batch.h"
#include "qwen-run/commands.h"
#include "qwen-run/task_options.h"

namespace qwen_run {
namespace {

using tools::Json;
using tools::UsageError;

struct ClassifyFlags : TaskFlags {
  std::string task;
  std::vector<std::string> labels;       // instead of a task
  std::optional<qwen::TaskKind> only{};  // other kinds are refused
  TextInput input;
  TableFlags table;
  bool json = false, jsonl = false;
};

// --jsonl: an answer for each line, without the line's own keys.
class AnswerLines : public RowWriter {
 public:
  void write(const TableRow&, const Json& answer, const std::string& error) override {
    tools::write_json(error.empty() ? answer : Json{{"error", error}});
  }
  void flush() override { tools::flush_out(); }
};

std::unique_ptr<Answerer> make_answerer(const ClassifyFlags& flags, const qwen::Task& task) {
  const auto engine = flags.engine(tools::load_model(flags.model));
  if (task.kind == qwen::TaskKind::generate) return make_reply_answerer(engine, task);
  if (task.kind == qwen::TaskKind::extract) return make_extract_answerer(engine, task);
  return make_classifier_answerer(flags.classifier(engine, task), flags.classify_mode(), flags.jsonl);
}

int answer_lines(const ClassifyFlags& flags, const qwen::Task& task) {
  if (flags.json) throw UsageError("--jsonl writes JSON already: leave out --json");
  TableReader lines(flags.input.path_for_lines(), flags.input.encoding(),
                    TableOptions{.format = "jsonl", .text_column = "text", .empty_texts = true});
  AnswerLines output;
  const auto answerer = make_answerer(flags, task);
  const BatchSummary summary =
      run_batch(lines, *answerer, output, !flags.model.no_progress && !tools::stdout_is_terminal(), false);
  return summary.interrupted  ? tools::kExitInterrupted
         : summary.broken > 0 ? tools::kExitFailed
                              : tools::kExitOk;
}

int answer_table(const ClassifyFlags& flags, const qwen::Task& task) {
  if (flags.json)
    throw UsageError("--json applies to one text; for a table: --format jsonl or -o FILE.jsonl");
  return label_table(flags.table, flags.input.path_for_lines(), flags.input.encoding(),
                     !flags.model.no_progress, [&] { return make_answerer(flags, task); });
}

void warn_truncated(int tokens) {
  if (tokens > 0) tools::warn("text truncated: its last " + std::to_string(tokens) + " tokens did not fit");
}

int label_text(const ClassifyFlags& flags, const qwen::Task& task) {
  const std::string text = flags.input.read(true);
  const qwen::Model model = tools::load_model(flags.model);
  qwen::Classifier classifier = flags.classifier(flags.engine(model), task);
  const qwen::Classification result = classifier.classify(text, flags.classify_mode());
  warn_truncated(result.truncated_tokens);
  if (flags.json)
    tools::write_json(label_json(task, result));
  else
    tools::write_out(label_line(task, result) + "\n");
  if (flags.model.verbose)
    std::fprintf(stderr, "[%d tokens, %d of them cached, %.1f ms]\n", result.prompt_tokens,
                 result.cached_tokens, result.seconds * 1e3);
  return tools::kExitOk;
}

int reply_to_text(const ClassifyFlags& flags, const qwen::Task& task) {
  const std::string text = flags.input.read(true);
  qwen::Chat chat(flags.engine(tools::load_model(flags.model)), task);
  const qwen::ChatReply reply = chat.say(text, [&](std::string_view part) {
    if (!flags.json) tools::stream_out(part);
    return true;
  });
  if (flags.json)
    tools::write_json({{"answer", reply.text},
                       {"finish_reason", qwen::to_string(reply.finish)},
                       {"tokens", reply.prompt_tokens},
                       {"cached_tokens", reply.cached_tokens},
                       {"answer_tokens", reply.generation.tokens.size()},
                       {"ms", reply.total_seconds * 1e3}});
  else
    tools::stream_out("\n");
  warn_truncated(reply.truncated_tokens);
  if (flags.model.verbose) std::fprintf(stderr, "%s\n", timing_line(reply.generation).c_str());
  return tools::kExitOk;
}

int extract_from_text(const ClassifyFlags& flags, const qwen::Task& task) {
  const std::string text = flags.input.read(true);
  qwen::Extractor extractor(flags.engine(tools::load_model(flags.model)), task);
  const qwen::Extraction result = extractor.extract(text);
  if (flags.json)
    tools::write_json({{"answer", Json::parse(result.json)},
                       {"tokens", result.prompt_tokens},
                       {"cached_tokens", result.cached_tokens},
                       {"answer_tokens", result.generated_tokens},
                       {"ms", result.seconds * 1e3}});
  else
    tools::write_out(result.json + "\n");
  warn_truncated(result.truncated_tokens);
  return tools::kExitOk;
}

int run_task(ClassifyFlags flags) {
  if (!flags.labels.empty()) {
    if (!flags.task.empty()) flags.input.set_text(flags.task);  // the first argument is the text
  } else if (flags.task.empty()) {
    throw UsageError("no TASK (qwen-run tasks lists them) and no --labels A,B,...");
  }
  const qwen::TaskRegistry registry = flags.registry();
  const qwen::Task task =
      flags.labels.empty() ? registry.get(flags.task) : qwen::Task::for_labels(flags.labels);
  const std::string kind = qwen::to_string(task.kind);
  if (flags.only && task.kind != *flags.only)
    throw qwen::Error(qwen::ErrorCode::invalid_argument, "task " + task.name + " is of kind " + kind +
                                                             ", expected " + qwen::to_string(*flags.only) +
                                                             " (qwen-run " + task.name + " TEXT runs it)");
  if (task.kind != qwen::TaskKind::classify && flags.has_classifier_options())
    throw UsageError("--mode and --cache apply to classifiers; task " + task.name + " is of kind " + kind);
  if (flags.jsonl) return answer_lines(flags, task);
  if (flags.table.wanted(flags.input)) return answer_table(flags, task);
  switch (task.kind) {
    case qwen::TaskKind::classify: return label_text(flags, task);
    case qwen::TaskKind::generate: return reply_to_text(flags, task);
    case qwen::TaskKind::extract: return extract_from_text(flags, task);
  }
  return tools::kExitFailed;
}

std::function<int()> setup(tools::CommandLine& app, std::shared_ptr<ClassifyFlags> flags) {
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
  return [flags] { return run_task(*flags); };
}

std::function<int()> named_task(tools::CommandLine& app, std::shared_ptr<ClassifyFlags> flags) {
  app.add("TASK", flags->task, "The task's name (qwen-run tasks lists them)").type("");
  app.add("--labels", flags->labels, "Classify by these labels, without a task: 好评,差评,中性")
      .comma_list()
      .one_per_use()
      .type("A,B,...")
      .group("Task");
  return setup(app, std::move(flags));
}

}  // namespace

std::function<int()> sentiment_command(tools::CommandLine& app) {
  auto flags = std::make_shared<ClassifyFlags>();
  flags->task = "sentiment";
  app.add("--task", flags->task,
          "Another prompt for the same question: sentiment_brief, sentiment_en, your own")
      .type("NAME")
      .group("Task");
  flags->only = qwen::TaskKind::classify;
  return setup(app, std::move(flags));
}

std::function<int()> classify_command(tools::CommandLine& app) {
  auto flags = std::make_shared<ClassifyFlags>();
  flags->only = qwen::TaskKind::classify;
  return named_task(app, std::move(flags));
}

std::function<int()> extract_command(tools::CommandLine& app) {
  auto flags = std::make_shared<ClassifyFlags>();
  flags->only = qwen::TaskKind::extract;
  app.add("TASK", flags->task, "The task's name (qwen-run tasks lists them)").type("");
  return setup(app, std::move(flags));
}

std::function<int()> task_command(tools::CommandLine& app) {
  return named_task(app, std::make_shared<ClassifyFlags>());
}

}  // namespace qwen_run
