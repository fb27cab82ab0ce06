// analyze: the label first, then the reply.
#include <nlohmann/json.hpp>

#include "common/program.h"
#include "qwen-run/answer.h"
#include "qwen-run/commands.h"
#include "qwen-run/task_options.h"

namespace qwen_run {
namespace {

using tools::Json;

struct AnalyzeFlags : TaskFlags {
  TextInput input;
  AnswerFlags answer;
  ThinkFlags think;
  std::string task = "sentiment", chat_task = "chat";
  bool json = false;
};

int analyze(const AnalyzeFlags& flags) {
  flags.answer.check();
  const qwen::TaskRegistry registry = flags.registry();
  const qwen::Task& task = registry.get(flags.task);
  const qwen::Task& chat_task = registry.get(flags.chat_task);
  const std::string text = flags.input.read(true);
  const qwen::Model model = tools::load_model(flags.model);
  flags.think.check(model);
  const auto engine = flags.engine(model);
  qwen::Classifier classifier = flags.classifier(engine, task);
  qwen::ChatOptions options;
  options.sampling = flags.answer.sampling(chat_task.sampling);
  if (flags.answer.max_tokens > 0) options.max_new_tokens = flags.answer.max_tokens;
  options.thinking = flags.think.thinking();
  options.thought_tokens = flags.think.thought_tokens();
  qwen::Chat chat(engine, chat_task, options);
  AnswerStream stream;
  qwen::SayOptions say;
  say.stop = flags.answer.stop;
  const auto on_label = [&](const qwen::Classification& result) {
    if (!flags.json) tools::stream_out(label_line(task, result) + "\n");
    return true;
  };
  const auto on_text = [&](std::string_view part) {
    if (!flags.json) stream.text(part);
  };
  say.on_reasoning = [&](std::string_view part) {
    if (!flags.json) stream.thought(part);
  };
  const qwen::Analysis result = qwen::analyze(classifier, chat, text, on_label, on_text, say);
  if (flags.json) {
    Json json = label_json(task, result.classification);
    json["reply"] = result.reply.text;
    if (!result.reply.reasoning.empty()) json["reasoning"] = result.reply.reasoning;
    json["finish_reason"] = qwen::to_string(result.reply.finish);
    json["reply_tokens"] = result.reply.generation.tokens.size();
    json["label_ms"] = result.label_seconds * 1e3;
    json["first_token_ms"] = result.reply_seconds * 1e3;
    tools::write_json(json);
  } else {
    tools::stream_out("\n");
  }
  if (result.reply.truncated_tokens > 0 || result.classification.truncated_tokens > 0)
    tools::warn("the text is too long: its end was left out");
  if (flags.model.verbose)
    std::fprintf(stderr, "[label after %.1f ms, reply after %.1f ms; %s]\n", result.label_seconds * 1e3,
                 result.reply_seconds * 1e3, timing_line(result.reply.generation).c_str());
  return tools::kExitOk;
}

}  // namespace

std::function<int()> analyze_command(tools::CommandLine& app) {
  auto flags = std::make_shared<AnalyzeFlags>();
  flags->answer.max_tokens = 0;  // the task's
  flags->input.add(app, "The text");
  flags->add(app);
  flags->add_cache(app);
  flags->answer.add(app);
  flags->think.add(app);
  app.add("--task", flags->task, "The task that finds the label (sentiment)").type("NAME").group("Task");
  app.add("--chat-task", flags->chat_task, "The task that replies (chat)").type("NAME").group("Task");
  app.add_flag("--json", flags->json, "One JSON object").group("Output");
  return [flags] { return analyze(*flags); };
}

}  // namespace qwen_run
