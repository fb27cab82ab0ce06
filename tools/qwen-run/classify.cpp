// sentiment, classify: one text, or JSON lines.
#include <nlohmann/json.hpp>
#include <optional>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/commands.h"
#include "qwen-run/line_source.h"
#include "qwen-run/task_options.h"

namespace qwen_run {
namespace {

using tools::Json;
using tools::UsageError;

struct Flags : TaskFlags {
  std::string task = "sentiment";
  TextInput input;
  bool json = false, jsonl = false;
  tools::Option positional;
};

// JSON lines in, JSON lines out, in order; lines that arrive together form a batch.
class LineClassifier {
 public:
  LineClassifier(const Flags& flags, qwen::Classifier& classifier, LineSource& lines)
      : flags_(flags),
        classifier_(classifier),
        lines_(lines),
        bar_("classifying", !flags.model.no_progress && !tools::stdout_is_terminal()) {}

  int run() {
    std::string line;
    for (;;) {
      if (texts_.size() >= kMost || (!texts_.empty() && lines_.would_wait())) flush();
      if (!next(line)) break;
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      take(line);
    }
    flush();
    return failed_ ? tools::kExitFailed : tools::kExitOk;
  }

 private:
  static constexpr std::size_t kMost = 128;

  bool next(std::string& line) {
    try {
      return lines_.next(line);
    } catch (const qwen::Error&) {
      flush();  // what was read before the error
      throw;
    }
  }

  void take(const std::string& line) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("text") && json["text"].is_string()) {
      texts_.push_back(json["text"].get<std::string>());
    } else {
      flush();
      fail("expected an object with \"text\", a string");
    }
  }

  void flush() {
    std::size_t done = 0;
    while (done < texts_.size()) {
      try {
        classifier_.classify_batch(std::span(texts_).subspan(done), flags_.classify_mode(),
                                   [&](std::size_t, const qwen::Classification& result) {
                                     tools::write_json(label_json(classifier_.task(), result));
                                     ++done;
                                     return true;
                                   });
      } catch (const qwen::Error& error) {
        if (error.code() != qwen::ErrorCode::context_full) throw;
        one_by_one(done);
        done = texts_.size();
      }
    }
    texts_.clear();
    tools::flush_out();
    bar_.update(lines_.fraction());
  }

  // Retries each text alone, so that only texts that do not fit fail.
  void one_by_one(std::size_t from) {
    for (std::size_t i = from; i < texts_.size(); ++i) {
      try {
        tools::write_json(
            label_json(classifier_.task(), classifier_.classify(texts_[i], flags_.classify_mode())));
      } catch (const qwen::Error& error) {
        if (error.code() != qwen::ErrorCode::context_full) throw;
        fail(error.what());
      }
    }
  }

  void fail(const std::string& reason) {
    tools::write_json({{"error", reason}});
    failed_ = true;
  }

  const Flags& flags_;
  qwen::Classifier& classifier_;
  LineSource& lines_;
  tools::ProgressBar bar_;
  std::vector<std::string> texts_;
  bool failed_ = false;
};

int classify(const Flags& flags) {
  const qwen::TaskRegistry registry = flags.registry();
  const qwen::Task& task = registry.get(flags.task);
  if (flags.jsonl && flags.json) throw UsageError("--jsonl writes JSON already: leave out --json");
  std::optional<LineSource> lines;
  std::string text;
  if (flags.jsonl)
    lines.emplace(flags.input.path_for_lines(), flags.input.encoding());
  else
    text = flags.input.read(true);
  const qwen::Model model = tools::load_model(flags.model);
  qwen::Classifier classifier = flags.classifier(model, task, flags.prefixes(model));
  if (lines) return LineClassifier(flags, classifier, *lines).run();
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
  app.add_flag("--jsonl", flags->jsonl,
               "Read {\"text\":...} lines (-f FILE, else stdin), write one JSON line each")
      .group("Output");
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
