#include "runtime/generation.h"

#include <utility>

#include "base/fail.h"

namespace qwen::runtime {

Generation::Generation(Model model, const GenerateOptions& options, OnText on_text)
    : model_(std::move(model)),
      options_(options),
      on_text_(std::move(on_text)),
      sampler_(options.sampling),
      output_(model_.tokenizer(), options.stop) {
  if (options.max_new_tokens < 0)
    fail(ErrorCode::invalid_argument, "max_new_tokens: expected 0 or more, found ", options.max_new_tokens);
}

void Generation::start_decoding(std::span<const Token> tokens, int computed) {
  result_.prompt_tokens = computed;
  result_.prefill_seconds = seconds();
  sampler_.accept_prompt(tokens);
}

bool Generation::should_continue(bool full) {
  if (ended_) return false;
  if (options_.cancel.cancelled()) {
    end(FinishReason::cancelled);
  } else if (static_cast<int>(result_.tokens.size()) >= options_.max_new_tokens) {
    end(FinishReason::length);
  } else if (full) {
    end(FinishReason::context_full);
  }
  return !ended_;
}

std::optional<Sampler::LogitsRequest> Generation::required_logits() {
  return options_.logprobs < 0 ? sampler_.required_logits() : std::nullopt;
}

void Generation::sample(std::span<const float> logits) {
  logits = logits.first(static_cast<std::size_t>(model_.tokenizer().size()));  // the padding is never chosen
  token_ = sampler_.sample(logits);
  if (options_.logprobs < 0) return;
  logprob_ = {token_, Sampler::logprob(logits, token_)};
  alternatives_ = Sampler::top_logprobs(logits, options_.logprobs);
}

bool Generation::append() {
  const double now = seconds();
  if (result_.tokens.empty()) result_.first_token_seconds = now;
  if (options_.stop_at_end_of_turn && model_.is_end_of_turn(token_)) {
    end(FinishReason::end_of_turn);
    return false;
  }
  result_.tokens.push_back(token_);
  result_.token_seconds.push_back(now);
  result_.decode_seconds = now - result_.first_token_seconds;
  if (options_.logprobs >= 0) {
    result_.logprobs.push_back(logprob_);
    result_.alternatives.push_back(std::move(alternatives_));
  }
  const bool wanted = emit(output_.push(token_));
  ended_ = output_.stopped() || !wanted;
  if (ended_) result_.finish = output_.stopped() ? FinishReason::stop_string : FinishReason::cancelled;
  return !ended_;
}

void Generation::end(FinishReason reason) {
  ended_ = true;
  result_.finish = reason;
  emit(output_.finish());
}

// False where the caller wants no more.
bool Generation::emit(const std::string& text) {
  if (text.empty()) return true;
  result_.text += text;
  return !on_text_ || on_text_(text);
}

}  // namespace qwen::runtime
