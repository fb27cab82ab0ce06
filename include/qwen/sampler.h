// From logits to the next token.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "qwen/export.h"
#include "qwen/tokenizer.h"

namespace qwen {

// How a token is chosen.
struct SamplingOptions {
  float temperature = 0.7f;  // 0 is greedy: the largest logit, the lowest id among equals
  int top_k = 40;            // 0 keeps all
  float top_p = 0.9f;        // 1 keeps all
  float min_p = 0.0f;        // keep tokens with at least min_p times the largest probability; 0 keeps all
  float repetition_penalty = 1.0f;  // 1 is off; divides positive logits, multiplies negative ones
  float presence_penalty = 0.0f;    // subtracted once from each token that was generated
  float frequency_penalty = 0.0f;   // subtracted for each time it was generated
  int penalty_last_n = 0;           // tokens that the penalties look back at; 0: all
  std::vector<std::pair<Token, float>> logit_bias{};  // added to the logit; -infinity forbids
  std::optional<std::uint64_t> seed{};                // none: a random one
};

// A token with its probability.
struct TokenProbability {
  Token token;  // its id
  float
      logprob;  // natural logarithm, in the model's distribution before penalties, temperature and truncation
};

// Steps, in the order of Hugging Face's generate: logit bias, repetition penalty (over prompt and generated
// tokens), frequency and presence penalties (over generated tokens), then - unless greedy - temperature,
// top-k, top-p, min-p, a draw with one random number. Same options, seed and logits: same tokens. The random number of
// the n-th token depends on the seed and n alone. One thread at a time.
//
// As in that library, top-k keeps every token that equals the k-th largest logit, and top-p keeps the token that
// crosses the sum. If it cuts between equals, the lower ids stay. NaN and infinite logits are never chosen.
class QWEN_API Sampler {
 public:
  // Throws Error(invalid_argument) for values out of range (negative temperature, top_p outside (0, 1], ...).
  explicit Sampler(SamplingOptions options = {});
  Sampler(const Sampler& other);  // accepted tokens and seed included
  Sampler& operator=(const Sampler& other);
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;
  ~Sampler();

  // Adds the tokens of the prompt: only the repetition penalty uses them.
  void accept_prompt(std::span<const Token> tokens);
  // Adds a token that was generated without sampling. It counts as a sampled one, random number
  // included.
  void accept(Token token);
  // Chooses the next token from `logits` [vocab_size], which are not changed, and accepts it.
  // Throws Error(internal) if no logit is finite.
  // Throws Error(invalid_argument) if a biased id is outside of the vocabulary.
  Token sample(std::span<const float> logits);
  // Chooses as sample() does, without accepting the token: calling it again with the same logits gives the same token.
  Token peek(std::span<const float> logits);

  // The logits that the next sample() needs, for Session::forward_top_k.
  struct LogitsRequest {
    int count;  // this many of the largest logits of the tokens not in `must_include`
    std::span<const Token> must_include;  // tokens that biases and penalties change
  };
  // No value if all logits are needed. Valid until the next call of any other function.
  std::optional<LogitsRequest> required_logits();
  // Forgets all accepted tokens.
  void reset();
  const SamplingOptions& options() const noexcept;  // with the seed that is used

  // The `n` most probable tokens for `logits` [vocab_size], most probable first, with log-probabilities over all of
  // `logits`. Throws Error(invalid_argument) for n < 0.
  static std::vector<TokenProbability> top_logprobs(std::span<const float> logits, int n);
  // The log-probability of one token; minus infinity if its logit is NaN.
  // Throws Error(invalid_argument) for an id out of range.
  static float logprob(std::span<const float> logits, Token token);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qwen
