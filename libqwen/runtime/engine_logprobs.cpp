// Log-probabilities of the tokens of a prompt: the rows of a pass share the readings of the output head.
#include <atomic>
#include <limits>

#include "runtime/engine_core.h"

namespace qwen::runtime {

// The first token to compute has a log-probability if the state before it is known: not at the start of a sequence.
void EngineCore::begin_prompt_logprobs(Running& running) {
  Generation& generation = *running.request->generation;
  if (!generation.result().prompt_logprobs.empty()) return;
  const Sequence& sequence = *running.sequence;
  const Token first = running.prompt()[static_cast<std::size_t>(sequence.position())];
  if (sequence.hidden.empty())
    return generation.add_prompt_logprob({{first, std::numeric_limits<float>::quiet_NaN()}});
  const auto size = static_cast<std::size_t>(model.tokenizer().size());
  generation.add_prompt_logprob(token_logprobs({executor_->logits(sequence.hidden.data(), 1), size}, first,
                                               generation.prompt_alternatives()));
}

// The row of each prompt token of this pass has the log-probabilities of the token after it.
void EngineCore::record_prompt_logprobs() {
  const auto width = static_cast<std::size_t>(model.shape().hidden);
  const float* states = executor_->states();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const StepItem& item = items_[i];
    if (item.tokens.empty() || item.error) continue;
    const float* const from = states;
    states += static_cast<std::size_t>(item.rows) * width;
    Running& running = *owners_[i].running;
    if (running.stage != Stage::prefilling || !running.wants_prompt_logprobs()) continue;
    const int end = running.sequence->position();
    const int count = item.rows - (running.complete() ? 1 : 0);  // the last row is for the answer
    const Token* const next = running.prompt().data() + (end - item.rows + 1);
    try {
      executor_->logits_of_each(from, count, [&](int first, int rows, const float* logits) {
        add_prompt_logprobs(*running.request->generation, {next + first, static_cast<std::size_t>(rows)},
                            logits);
      });
    } catch (...) {
      running.error = std::current_exception();
    }
  }
}

// `logits` [tokens][stride] are those before each token. The pool's threads share the rows.
void EngineCore::add_prompt_logprobs(Generation& generation, std::span<const Token> tokens,
                                     const float* logits) {
  const auto size = static_cast<std::size_t>(model.tokenizer().size());
  std::vector<TokenLogprobs> rows(tokens.size());
  std::vector<std::exception_ptr> errors(tokens.size());
  std::atomic<std::size_t> next{0};
  state_of(model).pool->run([&](int) {
    for (std::size_t i = next.fetch_add(1); i < rows.size(); i = next.fetch_add(1)) {
      try {
        rows[i] = token_logprobs({logits + i * executor_->stride(), size}, tokens[i],
                                 generation.prompt_alternatives());
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (errors[i]) std::rethrow_exception(errors[i]);
    generation.add_prompt_logprob(std::move(rows[i]));
  }
}

}  // namespace qwen::runtime
