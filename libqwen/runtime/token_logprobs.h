// The log-probability of one token, and of the most probable ones in its place.
#pragma once
#include <limits>
#include <span>
#include <vector>

#include "qwen/sampler.h"

namespace qwen::runtime {

// log(sum(exp(x))) over the finite logits. Throws internal if there is none.
double log_sum_exp(std::span<const float> logits);

struct TokenLogprobs {
  TokenProbability token{};
  std::vector<TokenProbability> alternatives{};
};

// For `logits` [vocab_size]: the same numbers as Sampler::logprob() and Sampler::top_logprobs() of `alternatives`.
TokenLogprobs token_logprobs(std::span<const float> logits, Token token, int alternatives);

}  // namespace qwen::runtime
