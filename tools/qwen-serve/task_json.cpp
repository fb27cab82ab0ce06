#include "qwen-serve/task_json.h"

namespace qwen_serve {

Json label_json(const qwen::Task& task, const qwen::Classification& found) {
  const auto best = static_cast<std::size_t>(found.label);
  const qwen::TaskLabel& label = task.labels.at(best);
  Json probabilities = Json::object();
  for (std::size_t i = 0; i < found.probabilities.size(); ++i)
    probabilities[task.labels[i].text] = found.probabilities[i];
  return {{"label", label.text},
          {"display", label.display},
          {"emoji", label.emoji},
          {"probability", found.probabilities.at(best)},
          {"probabilities", std::move(probabilities)},
          {"margin", found.margin},
          {"abstained", found.abstained},
          {"truncated_tokens", found.truncated_tokens}};
}

void add(Usage& usage, const qwen::Classification& found) {
  usage.prompt_tokens += found.prompt_tokens;
  usage.cached_tokens += found.cached ? found.prompt_tokens : found.cached_tokens;
}

void add(Usage& usage, const qwen::ChatReply& reply) {
  usage.prompt_tokens += reply.prompt_tokens;
  usage.cached_tokens += reply.cached_tokens;
  usage.generated_tokens += static_cast<int>(reply.generation.tokens.size());
}

Timings timings_of(const qwen::ChatReply& reply) {
  return {reply.queue_seconds, reply.first_token_seconds, reply.total_seconds,
          reply.generation.decode_seconds, static_cast<int>(reply.generation.tokens.size())};
}

}  // namespace qwen_serve
