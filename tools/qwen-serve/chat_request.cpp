#include "qwen-serve/chat_request.h"

namespace qwen_serve {

qwen::Chat make_chat(const Service& service, const ServedModel& served, const std::string& name,
                     const ReplyFields& fields, qwen::ChatOptions options,
                     std::vector<qwen::ChatTurn> turns) {
  const qwen::Task* task = service.tasks.find(name);
  if (!task)
    throw ApiError(404, "task_not_found", "there is no task \"" + name.substr(0, 100) + "\"", "reply");
  if (task->kind != qwen::TaskKind::generate)
    throw ApiError(400, "invalid_value", "task " + name + " names labels: it writes no reply", "reply");
  if (options.thinking && served.model.chat_template().thinking() == qwen::ChatTemplate::Thinking::none)
    throw bad_field("think", "think: this model cannot think before it answers");
  options.history_turns = service.options.history_turns;
  if (service.options.max_prompt > 0) options.history_tokens = served.max_prompt();
  options.max_new_tokens = fields.max_tokens;
  qwen::SamplingOptions sampling = task->sampling;
  fields.apply(sampling);
  options.sampling = sampling;
  qwen::Chat chat(served.engine, *task, options);
  if (options.history.value_or(task->history)) chat.set_turns(std::move(turns));
  return chat;
}

std::vector<qwen::ChatTurn> chat_turns(const std::vector<Turn>& turns) {
  std::vector<qwen::ChatTurn> out;
  for (const Turn& turn : turns) out.push_back({turn.user, turn.assistant});
  return out;
}

qwen::SayOptions say_options(const AdmittedRequest& work, const ReplyFields& fields) {
  qwen::SayOptions options;
  options.cancel = work.token();
  options.seed = fields.seed ? *fields.seed : random_seed();
  return options;
}

void note(Service& service, RequestLog& log, const qwen::ChatReply& reply) {
  log.prompt_tokens += reply.prompt_tokens;
  log.cached_tokens += reply.cached_tokens;
  log.generated_tokens += static_cast<int>(reply.generation.tokens.size());
  log.queue_seconds = reply.queue_seconds;
  log.first_token_seconds = reply.first_token_seconds;
  const auto& times = reply.generation.token_seconds;
  for (std::size_t i = 1; i < times.size(); ++i) service.metrics.token_interval(log, times[i] - times[i - 1]);
}

}  // namespace qwen_serve
