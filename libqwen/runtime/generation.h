// One answer as it grows.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "qwen/generate.h"
#include "runtime/detokenizing_stream.h"

namespace qwen::runtime {

// Draws tokens from logits, turns them into text and ends where the options say. generate() feeds it from one
// session, the engine many of them from each pass: in a loop of should_continue(), draw() and take(). One thread
// at a time.
class Generation {
 public:
  using OnText = std::function<bool(std::string_view)>;

  // Error(invalid_argument) for options out of range. `on_text` gets what is final; returning false ends the
  // generation as cancelled.
  Generation(Model model, const GenerateOptions& options, OnText on_text);

  // Times count from here, at first from the construction.
  void start() noexcept { start_ = Clock::now(); }
  // The prompt has been computed: `tokens` stand in the context, `computed` of them since start().
  void start_decoding(std::span<const Token> tokens, int computed);
  // Whether another token is wanted; else the generation has ended. `full`: its logits are not known, and the
  // context has no room for the token that they need.
  bool should_continue(bool full);
  // Of the logits, those that the next sample() needs; no value: all.
  std::optional<Sampler::LogitsRequest> required_logits();
  // Chooses the next token: `logits` are of all tokens of the vocabulary, rows of padding may follow.
  void sample(std::span<const float> logits);
  // Takes the token that was drawn into the answer. False where the generation has ended with it.
  bool append();
  // Ends the generation; text that was held back is given out.
  void end(FinishReason reason);

  bool ended() const noexcept { return ended_; }
  Token last() const { return result_.tokens.back(); }
  // What there is so far; times are complete once it has ended.
  const GenerateResult& result() const noexcept { return result_; }
  GenerateResult take_result() { return std::move(result_); }

 private:
  using Clock = std::chrono::steady_clock;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  bool emit(const std::string& text);

  const Model model_;
  const GenerateOptions options_;
  const OnText on_text_;
  Sampler sampler_;
  DetokenizingStream output_;
  GenerateResult result_;
  Clock::time_point start_ = Clock::now();
  bool ended_ = false;
  // Drawn and not yet taken.
  Token token_ = 0;
  TokenProbability logprob_{};
  std::vector<TokenProbability> alternatives_;
};

}  // namespace qwen::runtime
