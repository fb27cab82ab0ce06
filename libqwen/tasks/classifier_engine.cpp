// Answers over an engine: each text is an interactive request.
#include <utility>

#include "tasks/classifier_state.h"
#include "tasks/errors.h"

namespace qwen {

Classifier::State::Ask Classifier::State::ask(Job job, ClassifyMode mode, const CancelToken& cancel) {
  auto answer = std::make_unique<Answer>();
  EngineRequest request;
  request.prompt = job.prompt.tokens;
  request.priority = Priority::high;
  if (mode == ClassifyMode::score) {
    request.on_prompt = [this, out = answer.get()](Session& session) {
      Session* const one = &session;
      out->scores = std::move(scorer.score({&one, 1}).front());
      out->complete = true;
    };
  } else {
    request.generate = label_generation();
    request.on_text = [this, out = answer.get()](std::string_view text) {
      bool open = false;
      out->raw += text;
      out->complete = parse_label(out->raw, open) >= 0 && !open;
      return !out->complete;
    };
  }
  request.generate.cancel = cancel;
  return {std::move(job), std::move(answer), tasks::Asked(*options.engine, std::move(request))};
}

Classification Classifier::State::settle(Ask& ask, ClassifyMode mode) {
  const EngineResult& found = ask.asked.result();
  if (found.generation.finish == FinishReason::cancelled && !ask.answer->complete)
    tasks::fail(ErrorCode::cancelled, "the classification was cancelled");
  Classification result;
  if (mode == ClassifyMode::score) {
    decide(std::move(ask.answer->scores), result);
  } else {
    bool open = false;
    result.raw = std::move(ask.answer->raw);
    result.label = parse_label(result.raw, open);
  }
  result.prompt_tokens = found.prompt_tokens;
  result.cached_tokens = found.cached_tokens;
  result.truncated_tokens = ask.job.prompt.truncated_tokens;
  result.seconds = ask.job.seconds + found.total_seconds;
  result.queue_seconds = found.queue_seconds;
  return result;
}

// A few texts at once; where the engine has no room for more, one of them is waited for.
std::vector<Classification> Classifier::State::ask_batch(std::span<const std::string> texts,
                                                         ClassifyMode mode, const OnResult& on_result,
                                                         const CancelToken& cancel) {
  const auto at_once = static_cast<std::size_t>(options.engine->options().max_sequences) + 2;
  Report results(texts.size(), on_result);
  std::deque<Ask> asked;
  const auto settle_first = [&] {
    const std::size_t index = asked.front().job.index;
    results[index] = settle(asked.front(), mode);
    asked.pop_front();
    put_known(texts[index], mode, results[index]);
    return results.tell(index + 1);
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (find_known(texts[i], mode, results[i])) {
      if (asked.empty() && !results.tell(i + 1)) return results.take();
      continue;
    }
    const Job job = make_job(i, texts[i]);
    if (asked.size() >= at_once && !settle_first()) return results.take();
    for (bool done = false; !done;) {
      try {
        asked.push_back(ask(job, mode, cancel));
        done = true;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::busy || asked.empty()) throw;
        if (!settle_first()) return results.take();
      }
    }
  }
  while (!asked.empty())
    if (!settle_first()) return results.take();
  results.tell(texts.size());
  return results.take();
}

}  // namespace qwen
