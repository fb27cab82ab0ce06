// From logits to the next token.
#pragma once
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen {

struct SamplingOptions {
  float temperature = 0.7f;        // 0 is greedy: the largest logit, the lowest id among equals
  int top_k = 40;                  // 0 keeps all
  float top_p = 0.9f;              // 1 keeps all
  float min_p = 0.0f;              // keep tokens with at least min_p times the largest probability; 0 keeps all
  float repetition_penalty = 1.0f;  // 1 is off; divides positive logits, multiplies negative ones
  float presence_penalty = 0.0f;   // subtracted once from each token that was generated
  float frequency_penalty = 0.0f;  // subtracted for each time it was generated
  int penalty_last_n = 0;          // tokens that the penalties look back at; 0: all
  std::vector<std::pair<Token, float>> logit_bias;  // added to the logit; -infinity forbids
  std::uint64_t seed = 0;
};

struct TokenProbability {
  Token token;
  float logprob;  // natural logarithm, of the distribution before temperature and truncation
};

// Steps, in the order of Hugging Face's generate: logit bias, repetition penalty (over prompt and generated tokens), presence
// and frequency penalties (over generated tokens), then - unless greedy - temperature, top-k, top-p, min-p, one
// draw. Same options, seed and logits: same tokens. One thread at a time.
class Sampler {
 public:
  // Error(invalid_argument) for values out of range (negative temperature, top_p outside (0, 1], ...).
  explicit Sampler(SamplingOptions options = {});

  // Tells the sampler about tokens that are in the context (the prompt): only the repetition penalty sees them.
  void accept_prompt(std::span<const Token> tokens);
  // The next token for `logits` [vocab], which are not changed; the token counts as generated from now on.
  // Error(internal) where no logit is finite.
  Token sample(std::span<const float> logits);
  // Forgets the tokens seen and starts again from the seed.
  void reset();
  const SamplingOptions& options() const noexcept { return options_; }

  // The `n` most probable tokens for `logits`, most probable first, with log-probabilities over the whole vocabulary.
  static std::vector<TokenProbability> top_logprobs(std::span<const float> logits, int n);
  static float logprob(std::span<const float> logits, Token token);

 private:
  struct Candidate {
    float logit;
    Token token;
  };
  SamplingOptions options_;
  std::mt19937_64 random_;
  std::vector<Token> prompt_, generated_;
  std::vector<float> work_;
  std::vector<Candidate> candidates_;
};

}  // namespace qwen
