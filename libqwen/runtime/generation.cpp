#include "runtime/generation.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "runtime/state.h"

namespace qwen::runtime {

Generation::Generation(Model model, const GenerateOptions& options, int room, TextCallback on_text,
                       std::shared_ptr<DraftSource> drafts)
    : model_(std::move(model)),
      options_(options),
      on_text_(std::move(on_text)),
      drafts_(std::move(drafts)),
      rules_(model_, options, room),
      sampler_(options.sampling.value_or(model_.info().sampling)),
      output_(model_.tokenizer(), options.stop) {
  if (options.max_new_tokens < 0)
    fail(ErrorCode::invalid_argument, "max_new_tokens: expected 0 or more, found ", options.max_new_tokens);
  for (const auto& [token, bias] : sampler_.options().logit_bias)
    if (token >= model_.tokenizer().size())
      fail(ErrorCode::invalid_argument, "logit_bias: token ", token, " is outside of the vocabulary of ",
           model_.tokenizer().size());
  check_ids(state_of(model_), options.stop_tokens, "stop_tokens");
  result_.seed = *sampler_.options().seed;
  if (options_.logprobs < 0) forced_ = rules_.forced();  // forced tokens have no log-probabilities
}

void Generation::accept_prompt(std::span<const Token> tokens) {
  if (std::exchange(prompt_accepted_, true)) return;
  sampler_.accept_prompt(tokens);
  if (drafts_) context_.assign(tokens.begin(), tokens.end());
}

void Generation::start_decoding(int computed) {
  result_.prompt_tokens = computed;
  result_.prefill_seconds = seconds();
  append_forced();
}

void Generation::add_prompt_logprob(TokenLogprobs logprobs) {
  result_.prompt_logprobs.push_back(logprobs.token);
  result_.prompt_alternatives.push_back(std::move(logprobs.alternatives));
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

std::span<const Token> Generation::draft(int limit) {
  draft_.clear();
  const int wanted = options_.max_new_tokens - static_cast<int>(result_.tokens.size()) - 1;
  // With rules, only the first row of a pass is used.
  if (drafts_ && !rules_.any() && std::min(limit, wanted) > 0)
    drafts_->propose(context_, std::min(limit, wanted), draft_);
  return draft_;
}

// Greedy answers under a constraint are sampled first and checked afterwards: the largest of all logits, if allowed,
// is the largest of the allowed ones. Truncated random sampling has no such shortcut: the mask comes first.
std::optional<Sampler::LogitsRequest> Generation::required_logits() {
  const bool mask_first = rules_.restricts() && sampler_.options().temperature > 0;
  return sees_all_logits() || mask_first ? std::nullopt : sampler_.required_logits();
}

std::span<const Token> Generation::few_allowed() {
  return sees_all_logits() ? std::span<const Token>() : rules_.few_allowed();
}

bool Generation::sample(float* logits, std::size_t stride, bool partial) {
  sampled_.clear();
  for (std::size_t row = 0;; ++row) {
    // Rows of padding are never chosen, and have no probability.
    const std::span<float> values(logits + row * stride, static_cast<std::size_t>(model_.tokenizer().size()));
    Sampled next{};
    if (options_.logprobs >= 0) next.logprobs.alternatives = Sampler::top_logprobs(values, options_.logprobs);
    const std::vector<float> original =
        options_.logprobs >= 0 && (options_.logits_processor || rules_.restricts())
            ? std::vector<float>(values.begin(), values.end())
            : std::vector<float>();
    if (options_.logits_processor) options_.logits_processor(result_.tokens, values);
    const bool restricted = rules_.restricts();
    const bool mask_first = restricted && sampler_.options().temperature > 0;
    if (mask_first) rules_.mask(values);
    next.token = sampler_.peek(values);
    if (restricted && !mask_first && !rules_.allows(next.token)) {
      if (partial) return false;
      rules_.mask(values);
      next.token = sampler_.peek(values);
    }
    sampler_.accept(next.token);
    if (options_.logprobs >= 0)
      next.logprobs.token = {
          next.token,
          Sampler::logprob(original.empty() ? std::span<const float>(values) : original, next.token)};
    const Token token = next.token;
    sampled_.push_back(std::move(next));
    const bool right = row < draft_.size() && token == draft_[row];
    // What follows the end of a turn, or changes the rules or the processor's view, is not a verified row.
    if (!right || rules_.any() || options_.logits_processor || is_end(token)) return true;
  }
}

bool Generation::append() {
  int accepted = 0;
  for (Sampled& sampled : sampled_) {
    const Token token = sampled.token;
    if (!append_token(std::move(sampled))) break;
    accepted += static_cast<std::size_t>(accepted) < draft_.size() &&
                token == draft_[static_cast<std::size_t>(accepted)];
    if (!rules_.any()) continue;
    rules_.accept(token);
    if (options_.logprobs < 0) forced_ = rules_.forced();
    append_forced();
  }
  if (drafts_ && !draft_.empty()) drafts_->verified(static_cast<int>(draft_.size()), accepted);
  draft_.clear();
  return !ended_;
}

// Appends the tokens that must come next, and ends a text that is complete.
void Generation::append_forced() {
  while (!forced_.empty()) {
    for (const Token token : forced_) {
      if (!should_continue(false)) return forced_.clear();
      sampler_.accept(token);
      rules_.accept(token);
      if (!append_token({token})) return forced_.clear();
    }
    forced_ = rules_.forced();
  }
  if (!ended_ && rules_.complete())
    end(rules_.may_go_on() ? FinishReason::length : FinishReason::end_of_turn);
}

bool Generation::append_token(Sampled&& sampled) {
  const double now = seconds();
  if (result_.tokens.empty()) result_.first_token_seconds = now;
  if (is_end(sampled.token)) {
    end(FinishReason::end_of_turn);
    return false;
  }
  result_.tokens.push_back(sampled.token);
  result_.token_seconds.push_back(now);
  result_.decode_seconds = now - result_.first_token_seconds;
  if (drafts_) context_.push_back(sampled.token);
  if (options_.logprobs >= 0) {
    result_.logprobs.push_back(sampled.logprobs.token);
    result_.alternatives.push_back(std::move(sampled.logprobs.alternatives));
  }
  const bool wanted = emit(output_.push(sampled.token));
  ended_ = output_.stopped() || !wanted;
  if (ended_) result_.finish = output_.stopped() ? FinishReason::stop_string : FinishReason::cancelled;
  return !ended_;
}

void Generation::end(FinishReason reason) {
  ended_ = true;
  result_.finish = reason;
  emit(output_.finish());
}

bool Generation::is_end(Token token) const noexcept {
  return (options_.stop_at_end_of_turn && model_.is_end_of_turn(token)) ||
         std::ranges::find(options_.stop_tokens, token) != options_.stop_tokens.end();
}

// False if the caller wants no more.
bool Generation::emit(const std::string& text) {
  if (text.empty()) return true;
  result_.text += text;
  return on_text_(text);
}

}  // namespace qwen::runtime
