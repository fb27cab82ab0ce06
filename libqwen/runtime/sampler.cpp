#include "qwen/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/fail.h"

namespace qwen {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The largest finite score; -infinity where there is none. Eight independent lanes, so that it is bound by
// memory and not by the latency of a comparison.
float largest_finite(std::span<const float> scores) {
  float lanes[8];
  std::fill(std::begin(lanes), std::end(lanes), -kInfinity);
  std::size_t i = 0;
  for (; i + 8 <= scores.size(); i += 8) {
    for (std::size_t j = 0; j < 8; ++j) lanes[j] = scores[i + j] > lanes[j] ? scores[i + j] : lanes[j];
  }
  float largest = *std::max_element(std::begin(lanes), std::end(lanes));
  for (; i < scores.size(); ++i) largest = scores[i] > largest ? scores[i] : largest;
  if (largest != kInfinity) return largest;
  largest = -kInfinity;  // rare: somewhere stands +infinity
  for (const float score : scores) {
    if (score > largest && score < kInfinity) largest = score;
  }
  return largest;
}

float require_largest(std::span<const float> scores) {
  const float largest = largest_finite(scores);
  if (largest == -kInfinity)
    fail(ErrorCode::internal, "sampling: none of the ", scores.size(), " logits is a finite number");
  return largest;
}

Token first_equal(std::span<const float> scores, float value) {
  return static_cast<Token>(std::find(scores.begin(), scores.end(), value) - scores.begin());
}

// log(sum(exp(x))) over the finite logits.
double log_sum_exp(std::span<const float> logits) {
  const float largest = require_largest(logits);
  double sum = 0;
  for (const float x : logits) {
    if (std::isfinite(x)) sum += std::exp(x - largest);
  }
  return static_cast<double>(largest) + std::log(sum);
}

void require(bool ok, const char* name, double value, const char* expected) {
  if (!ok) fail(ErrorCode::invalid_argument, name, ": expected ", expected, ", found ", value);
}

void check(const SamplingOptions& o) {
  require(o.temperature >= 0 && std::isfinite(o.temperature), "temperature", o.temperature, "0 or more");
  require(o.top_k >= 0, "top_k", o.top_k, "0 (all) or more");
  require(o.top_p > 0 && o.top_p <= 1, "top_p", o.top_p, "more than 0 and at most 1");
  require(o.min_p >= 0 && o.min_p <= 1, "min_p", o.min_p, "0 to 1");
  require(o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty), "repetition_penalty",
          o.repetition_penalty, "more than 0 (1 is off)");
  require(std::isfinite(o.presence_penalty), "presence_penalty", o.presence_penalty, "a finite number");
  require(std::isfinite(o.frequency_penalty), "frequency_penalty", o.frequency_penalty, "a finite number");
  require(o.penalty_last_n >= 0, "penalty_last_n", o.penalty_last_n, "0 (all) or more");
  for (const auto& [token, bias] : o.logit_bias) {
    require(token >= 0, "logit_bias: token", token, "0 or more");
    require(bias < kInfinity, "logit_bias: value", bias, "a number below infinity (-infinity forbids)");
  }
}

}  // namespace

Sampler::Sampler(SamplingOptions options) : options_(std::move(options)) {
  check(options_);
  random_.seed(options_.seed);
}

void Sampler::reset() {
  random_.seed(options_.seed);
  window_.clear();
  seen_.clear();
}

bool Sampler::penalizes() const noexcept {
  return options_.repetition_penalty != 1 || options_.presence_penalty != 0 ||
         options_.frequency_penalty != 0;
}

void Sampler::accept_prompt(std::span<const Token> tokens) {
  for (const Token token : tokens) accept(token, false);
}

void Sampler::accept(Token token, bool generated) {
  if (!penalizes()) return;
  Seen& seen = seen_[token];
  seen.total += 1;
  seen.generated += generated;
  const auto limit = static_cast<std::size_t>(options_.penalty_last_n);
  if (limit == 0) return;
  window_.push_back({token, generated});
  if (window_.size() <= limit) return;
  const HistoryEntry old = window_.front();
  window_.pop_front();
  const auto found = seen_.find(old.token);
  found->second.generated -= old.generated;
  if (--found->second.total == 0) seen_.erase(found);
}

std::optional<Sampler::LogitsRequest> Sampler::required_logits() {
  if (options_.temperature > 0 && options_.top_k == 0) return std::nullopt;
  must_include_.clear();
  for (const auto& [token, bias] : options_.logit_bias) must_include_.push_back(token);
  for (const auto& [token, seen] : seen_) must_include_.push_back(token);
  return LogitsRequest{options_.temperature == 0 ? 1 : options_.top_k, must_include_};
}

// The scores that the draw is made from: `logits` themselves where nothing changes them.
std::span<const float> Sampler::adjust(std::span<const float> logits) {
  if (options_.logit_bias.empty() && seen_.empty()) return logits;
  adjusted_.assign(logits.begin(), logits.end());
  for (const auto& [token, bias] : options_.logit_bias) {
    if (static_cast<std::size_t>(token) >= logits.size())
      fail(ErrorCode::invalid_argument, "logit_bias: token ", token, " is outside of the vocabulary of ",
           logits.size());
    adjusted_[static_cast<std::size_t>(token)] += bias;
  }
  for (const auto& [token, seen] : seen_) {
    if (token < 0 || static_cast<std::size_t>(token) >= logits.size()) continue;
    float& score = adjusted_[static_cast<std::size_t>(token)];
    score = score < 0 ? score * options_.repetition_penalty : score / options_.repetition_penalty;
    if (seen.generated == 0) continue;
    score -= options_.frequency_penalty * static_cast<float>(seen.generated) + options_.presence_penalty;
  }
  return adjusted_;
}

// 53 bits of the generator, the same with every standard library. In [0, 1).
double Sampler::uniform() noexcept {
  return static_cast<double>(random_() >> 11) * 0x1p-53;
}

// Proportional to the probability at the sampler's temperature; 1 for the largest score.
double Sampler::weight(float score, float largest) const noexcept {
  return static_cast<double>(std::exp((score - largest) / options_.temperature));
}

Token Sampler::sample(std::span<const float> logits) {
  const std::span<const float> scores = adjust(logits);
  const float largest = require_largest(scores);
  const auto k = static_cast<std::size_t>(options_.top_k);
  Token token;
  if (options_.temperature == 0) {
    token = first_equal(scores, largest);
  } else if (k > 0 && k < scores.size()) {
    select_top_k(scores, k, candidates_);
    if (options_.top_p < 1) {
      double total = 0;
      for (const Candidate& candidate : candidates_) total += weight(candidate.score, largest);
      cut_top_p(largest, total);
    }
    token = draw_candidate(largest);
  } else if (options_.top_p < 1) {
    select_top_p(scores, largest);
    token = draw_candidate(largest);
  } else if (options_.min_p > 0) {
    // A little below the border of min-p: draw_candidate cuts at the border itself.
    select_above(scores, largest + options_.temperature * (std::log(options_.min_p) - 0.001f));
    token = draw_candidate(largest);
  } else {
    weigh(scores, largest);
    token = static_cast<Token>(draw());
  }
  accept(token, true);
  return token;
}

// out = the finite scores not below the k-th largest one, sorted.
void Sampler::select_top_k(std::span<const float> scores, std::size_t k, std::vector<Candidate>& out) {
  out.clear();
  float threshold = -kInfinity;  // at least k candidates have this score or a larger one
  std::size_t limit = std::max<std::size_t>(4 * k, 256);
  const auto tighten = [&] {
    if (out.size() <= k) return;
    std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(k - 1), out.end(), before);
    threshold = out[k - 1].score;
    std::erase_if(out, [&](const Candidate& candidate) { return candidate.score < threshold; });
  };
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] >= threshold) || !std::isfinite(scores[i])) continue;
    out.push_back({scores[i], static_cast<Token>(i)});
    if (out.size() < limit) continue;
    tighten();
    limit = std::max(limit, 2 * out.size());  // many equals: do not search them again at each step
  }
  tighten();
  std::sort(out.begin(), out.end(), before);
}

// weights_ = those of the whole vocabulary.
void Sampler::weigh(std::span<const float> scores, float largest) {
  weights_.resize(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i)
    weights_[i] = std::isfinite(scores[i]) ? static_cast<float>(weight(scores[i], largest)) : 0.0f;
}

// candidates_ = the tokens that top-p keeps, sorted. The full vocabulary is not sorted but where it is nearly
// uniform: thresholds take in more and more of it until the sum is reached.
void Sampler::select_top_p(std::span<const float> scores, float largest) {
  weigh(scores, largest);
  double total = 0;
  for (const float w : weights_) total += static_cast<double>(w);
  for (float threshold = 0x1p-6f;; threshold *= 0x1p-6f) {
    if (threshold < 0x1p-36f) threshold = 0;
    candidates_.clear();
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (!(weights_[i] >= threshold) || !std::isfinite(scores[i])) continue;
      candidates_.push_back({scores[i], static_cast<Token>(i)});
      sum += static_cast<double>(weights_[i]);
    }
    // The border needs a margin: this sum and the sorted one round differently.
    if (threshold == 0 || sum > (static_cast<double>(options_.top_p) + 1e-9) * total) break;
  }
  std::sort(candidates_.begin(), candidates_.end(), before);
  cut_top_p(largest, total);
}

// Keeps each sorted candidate whose predecessors' sum is still below top_p of `total`.
void Sampler::cut_top_p(float largest, double total) {
  const double limit = static_cast<double>(options_.top_p) * total;
  double sum = 0;
  std::size_t kept = 0;
  while (kept < candidates_.size() && (kept == 0 || sum < limit))
    sum += weight(candidates_[kept++].score, largest);
  candidates_.resize(kept);
}

// candidates_ = the finite scores from `threshold` on, in the order of their ids.
void Sampler::select_above(std::span<const float> scores, float threshold) {
  candidates_.clear();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] >= threshold && std::isfinite(scores[i]))
      candidates_.push_back({scores[i], static_cast<Token>(i)});
  }
}

// Min-p and the draw.
Token Sampler::draw_candidate(float largest) {
  weights_.resize(candidates_.size());
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const double w = weight(candidates_[i].score, largest);
    weights_[i] = w >= static_cast<double>(options_.min_p) ? static_cast<float>(w) : 0.0f;
  }
  return candidates_[draw()].token;
}

// An index into weights_, in proportion to them.
std::size_t Sampler::draw() {
  double total = 0;
  for (const float w : weights_) total += static_cast<double>(w);
  double target = uniform() * total;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] == 0) continue;
    chosen = i;  // where rounding leaves the target beyond the last one, the last one it is
    target -= static_cast<double>(weights_[i]);
    if (target < 0) break;
  }
  return chosen;
}

std::vector<TokenProbability> Sampler::top_logprobs(std::span<const float> logits, int n) {
  if (n < 0) fail(ErrorCode::invalid_argument, "logprobs: expected 0 or more alternatives, found ", n);
  const double total = log_sum_exp(logits);
  const std::size_t count = std::min(static_cast<std::size_t>(n), logits.size());
  if (count == 0) return {};
  std::vector<Candidate> candidates;
  select_top_k(logits, count, candidates);
  std::vector<TokenProbability> top;
  for (const Candidate& candidate : candidates) {
    if (top.size() == count) break;
    top.push_back({candidate.token, static_cast<float>(static_cast<double>(candidate.score) - total)});
  }
  return top;
}

float Sampler::logprob(std::span<const float> logits, Token token) {
  if (token < 0 || static_cast<std::size_t>(token) >= logits.size())
    fail(ErrorCode::invalid_argument, "logprob: token ", token, " is outside of the vocabulary of ",
         logits.size());
  const float logit = logits[static_cast<std::size_t>(token)];
  if (std::isnan(logit)) return -kInfinity;  // never chosen
  return static_cast<float>(static_cast<double>(logit) - log_sum_exp(logits));
}

}  // namespace qwen
