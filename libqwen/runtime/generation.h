// One answer as it grows.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "qwen/generate.h"
#include "runtime/answer_rules.h"
#include "runtime/detokenizing_stream.h"
#include "runtime/draft_source.h"
#include "runtime/token_logprobs.h"

namespace qwen::runtime {

// Samples tokens from logits, turns them into text and ends as the options say. The engine's loop for each answer:
//   while (should_continue(...)) { compute uncached() and draft(); sample(...); append(); }
// One thread at a time.
class Generation {
 public:
  // `room`: tokens that the context has for the answer. `on_text` gets text that is final; returning false ends the
  // generation as cancelled.
  // Throws Error(invalid_argument) for options out of range, and as AnswerRules.
  Generation(Model model, const GenerateOptions& options, int room, TextCallback on_text,
             std::shared_ptr<DraftSource> drafts = nullptr);

  // Starts the clock.
  void start() noexcept { start_ = Clock::now(); }
  // The whole prompt, before required_logits() is asked. Only the first call counts.
  void accept_prompt(std::span<const Token> tokens);
  // Whether the answer begins with tokens that are not sampled: logits of the prompt are of no use.
  bool begins_forced() const noexcept { return !forced_.empty(); }
  // The prompt is in the KV cache, `computed` tokens of it since start().
  void start_decoding(int computed);
  // Alternatives to record beside the log-probability of each prompt token; negative: nothing is recorded.
  int prompt_alternatives() const noexcept { return options_.prompt_logprobs; }
  // Those of the next token of the prompt.
  void add_prompt_logprob(TokenLogprobs logprobs);
  // Whether another token is wanted; if not, the generation has ended. `full`: the context has no room for it.
  bool should_continue(bool full);
  // The tokens of the answer from index `first` on: those that are not in the KV cache yet.
  std::span<const Token> uncached(int first) const {
    return std::span(result_.tokens).subspan(static_cast<std::size_t>(first));
  }
  // Whether all tokens of the answer are in the KV cache, `cached` of them.
  bool is_cached(int cached) const noexcept { return static_cast<int>(result_.tokens.size()) <= cached; }
  // Guesses of the next tokens, at most `limit`; valid until append().
  std::span<const Token> draft(int limit);
  // The logits that sample() needs; no value: all.
  std::optional<Sampler::LogitsRequest> required_logits();
  // If not empty: only the logits of these tokens are needed. Valid until sample().
  std::span<const Token> few_allowed();

  // Chooses the next token from each row of logits, [draft + 1][stride], as long as the draft is right. `partial`:
  // only the logits of required_logits() or few_allowed() are exact; false: all logits of the row are needed, call it again with them.
  // May run on a thread of the pool, beside the sampling of other answers.
  bool sample(float* logits, std::size_t stride, bool partial);
  // Appends the sampled tokens to the answer. Returns false if the generation has ended.
  bool append();
  // Ends the generation; text that was held back is emitted.
  void end(FinishReason reason);

  bool ended() const noexcept { return ended_; }
  // The answer so far; times are complete once it has ended.
  const GenerateResult& result() const noexcept { return result_; }
  GenerateResult take_result() { return std::move(result_); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Sampled {
    Token token;
    TokenLogprobs logprobs{};
  };
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  bool sees_all_logits() const noexcept { return options_.logprobs >= 0 || options_.logits_processor; }
  bool is_end(Token token) const noexcept;
  void append_forced();
  bool append_token(Sampled&& sampled);
  bool emit(const std::string& text);

  const Model model_;
  const GenerateOptions options_;
  const TextCallback on_text_;
  const std::shared_ptr<DraftSource> drafts_;
  AnswerRules rules_;
  Sampler sampler_;
  DetokenizingStream output_;
  GenerateResult result_;
  Clock::time_point start_ = Clock::now();
  bool ended_ = false, prompt_accepted_ = false;
  std::vector<Token> context_;  // prompt and answer, if there is a DraftSource
  std::vector<Token> draft_;
  std::vector<Sampled> sampled_;  // not yet appended
  std::vector<Token> forced_;     // that come next
};

}  // namespace qwen::runtime
