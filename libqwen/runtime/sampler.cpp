#include "qwen/sampler.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <random>
#include <unordered_map>

#include "base/fail.h"
#include "runtime/token_logprobs.h"

namespace qwen {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The largest finite score; -infinity if there is none. Eight independent lanes, so that it is bound by
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
  largest = -kInfinity;  // rare: a score is +infinity
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

// Mixes all bits (the finalizer of splitmix64).
std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

struct Candidate {
  float score;
  Token token;
};

bool before(const Candidate& a, const Candidate& b) noexcept {
  return a.score != b.score ? a.score > b.score : a.token < b.token;
}

// out = the finite scores not below the k-th largest one, sorted.
void select_top_k(std::span<const float> scores, std::size_t k, std::vector<Candidate>& out) {
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

}  // namespace

struct Sampler::State {
  struct Seen {
    int total = 0;      // in the window, prompt and generated
    int generated = 0;  // of these, generated
  };
  struct HistoryEntry {
    Token token;
    bool generated;
  };

  bool penalizes() const noexcept;
  void accept(Token token, bool generated);
  std::span<const float> adjust(std::span<const float> logits);
  Token choose(std::span<const float> logits);
  void select_top_p(std::span<const float> scores, float largest);
  void select_above(std::span<const float> scores, float threshold);
  void cut_top_p(float largest, double total);
  Token draw_candidate(float largest);
  void weigh(std::span<const float> scores, float largest);
  std::size_t draw();
  double weight(float score, float largest) const noexcept;
  double uniform() const noexcept;

  SamplingOptions options;
  std::uint64_t position = 0;            // tokens sampled or accepted so far
  std::unordered_map<Token, Seen> seen;  // what the penalties look back at; empty if they are off
  std::deque<HistoryEntry> window;       // the same in order, oldest first, if penalty_last_n limits it
  std::vector<float> adjusted;           // [vocab_size]
  std::vector<float> weights;            // of `candidates`, or of the vocabulary
  std::vector<Candidate> candidates;
  std::vector<Token> must_include;  // of required_logits()
};

Sampler::Sampler(SamplingOptions options) : state_(std::make_unique<State>()) {
  check(options);
  if (!options.seed) options.seed = random_seed();
  state_->options = std::move(options);
}

Sampler::Sampler(const Sampler& other) : state_(std::make_unique<State>(*other.state_)) {}
Sampler& Sampler::operator=(const Sampler& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;
Sampler::~Sampler() = default;

const SamplingOptions& Sampler::options() const noexcept {
  return state_->options;
}

void Sampler::reset() {
  state_->position = 0;
  state_->window.clear();
  state_->seen.clear();
}

void Sampler::accept_prompt(std::span<const Token> tokens) {
  for (const Token token : tokens) state_->accept(token, false);
}

void Sampler::accept(Token token) {
  state_->accept(token, true);
  ++state_->position;
}

Token Sampler::peek(std::span<const float> logits) {
  return state_->choose(logits);
}

Token Sampler::sample(std::span<const float> logits) {
  const Token token = state_->choose(logits);
  accept(token);
  return token;
}

std::optional<Sampler::LogitsRequest> Sampler::required_logits() {
  State& s = *state_;
  if (s.options.temperature > 0 && s.options.top_k == 0) return std::nullopt;
  s.must_include.clear();
  for (const auto& [token, bias] : s.options.logit_bias) s.must_include.push_back(token);
  for (const auto& [token, seen] : s.seen) s.must_include.push_back(token);
  return LogitsRequest{s.options.temperature == 0 ? 1 : s.options.top_k, s.must_include};
}

bool Sampler::State::penalizes() const noexcept {
  return options.repetition_penalty != 1 || options.presence_penalty != 0 || options.frequency_penalty != 0;
}

void Sampler::State::accept(Token token, bool generated) {
  if (!penalizes()) return;
  Seen& entry = seen[token];
  entry.total += 1;
  entry.generated += generated;
  const auto limit = static_cast<std::size_t>(options.penalty_last_n);
  if (limit == 0) return;
  window.push_back({token, generated});
  if (window.size() <= limit) return;
  const HistoryEntry old = window.front();
  window.pop_front();
  const auto found = seen.find(old.token);
  found->second.generated -= old.generated;
  if (--found->second.total == 0) seen.erase(found);
}

// The scores that the choice is made from: `logits` themselves if nothing changes them.
std::span<const float> Sampler::State::adjust(std::span<const float> logits) {
  if (options.logit_bias.empty() && seen.empty()) return logits;
  adjusted.assign(logits.begin(), logits.end());
  for (const auto& [token, bias] : options.logit_bias) {
    if (static_cast<std::size_t>(token) >= logits.size())
      fail(ErrorCode::invalid_argument, "logit_bias: token ", token, " is outside of the vocabulary of ",
           logits.size());
    adjusted[static_cast<std::size_t>(token)] += bias;
  }
  for (const auto& [token, entry] : seen) {
    if (token < 0 || static_cast<std::size_t>(token) >= logits.size()) continue;
    float& score = adjusted[static_cast<std::size_t>(token)];
    score = score < 0 ? score * options.repetition_penalty : score / options.repetition_penalty;
    if (entry.generated == 0) continue;
    score -= options.frequency_penalty * static_cast<float>(entry.generated) + options.presence_penalty;
  }
  return adjusted;
}

// The random number of the next token, in [0, 1): a function of the seed and the position alone, so that a draft of
// later tokens can be verified.
double Sampler::State::uniform() const noexcept {
  const std::uint64_t bits = mix(mix(*options.seed + 1) + (position + 1) * 0x9E3779B97F4A7C15u);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// Proportional to the probability at the sampler's temperature; 1 for the largest score.
double Sampler::State::weight(float score, float largest) const noexcept {
  return static_cast<double>(std::exp((score - largest) / options.temperature));
}

Token Sampler::State::choose(std::span<const float> logits) {
  const std::span<const float> scores = adjust(logits);
  const float largest = require_largest(scores);
  const auto k = static_cast<std::size_t>(options.top_k);
  Token token;
  if (options.temperature == 0) {
    token = first_equal(scores, largest);
  } else if (k > 0 && k < scores.size()) {
    select_top_k(scores, k, candidates);
    if (options.top_p < 1) {
      double total = 0;
      for (const Candidate& candidate : candidates) total += weight(candidate.score, largest);
      cut_top_p(largest, total);
    }
    token = draw_candidate(largest);
  } else if (options.top_p < 1) {
    select_top_p(scores, largest);
    token = draw_candidate(largest);
  } else if (options.min_p > 0) {
    // A little below the border of min-p: draw_candidate cuts at the border itself.
    select_above(scores, largest + options.temperature * (std::log(options.min_p) - 0.001f));
    token = draw_candidate(largest);
  } else {
    weigh(scores, largest);
    token = static_cast<Token>(draw());
  }
  return token;
}

// weights = those of the whole vocabulary.
void Sampler::State::weigh(std::span<const float> scores, float largest) {
  weights.resize(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i)
    weights[i] = std::isfinite(scores[i]) ? static_cast<float>(weight(scores[i], largest)) : 0.0f;
}

// candidates = the tokens that top-p keeps, sorted. The full vocabulary is not sorted but where it is nearly
// uniform: thresholds take in more and more of it until the sum is reached.
void Sampler::State::select_top_p(std::span<const float> scores, float largest) {
  weigh(scores, largest);
  double total = 0;
  for (const float w : weights) total += static_cast<double>(w);
  for (float threshold = 0x1p-6f;; threshold *= 0x1p-6f) {
    if (threshold < 0x1p-36f) threshold = 0;
    candidates.clear();
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (!(weights[i] >= threshold) || !std::isfinite(scores[i])) continue;
      candidates.push_back({scores[i], static_cast<Token>(i)});
      sum += static_cast<double>(weights[i]);
    }
    // The border needs a margin: this sum and the sorted one round differently.
    if (threshold == 0 || sum > (static_cast<double>(options.top_p) + 1e-9) * total) break;
  }
  std::sort(candidates.begin(), candidates.end(), before);
  cut_top_p(largest, total);
}

// Keeps each sorted candidate whose predecessors' sum is still below top_p of `total`.
void Sampler::State::cut_top_p(float largest, double total) {
  const double limit = static_cast<double>(options.top_p) * total;
  double sum = 0;
  std::size_t kept = 0;
  while (kept < candidates.size() && (kept == 0 || sum < limit))
    sum += weight(candidates[kept++].score, largest);
  candidates.resize(kept);
}

// candidates = the finite scores from `threshold` on, in the order of their ids.
void Sampler::State::select_above(std::span<const float> scores, float threshold) {
  candidates.clear();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] >= threshold && std::isfinite(scores[i]))
      candidates.push_back({scores[i], static_cast<Token>(i)});
  }
}

// Min-p and the draw.
Token Sampler::State::draw_candidate(float largest) {
  weights.resize(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double w = weight(candidates[i].score, largest);
    weights[i] = w >= static_cast<double>(options.min_p) ? static_cast<float>(w) : 0.0f;
  }
  return candidates[draw()].token;
}

// An index into weights, in proportion to them.
std::size_t Sampler::State::draw() {
  double total = 0;
  for (const float w : weights) total += static_cast<double>(w);
  double target = uniform() * total;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    chosen = i;  // if rounding pushes the target past the end: the last candidate
    target -= static_cast<double>(weights[i]);
    if (target < 0) break;
  }
  return chosen;
}

namespace {

// The `n` most probable tokens; `total` is the logits' runtime::log_sum_exp().
std::vector<TokenProbability> most_probable(std::span<const float> logits, int n, double total) {
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

float logprob_of(std::span<const float> logits, Token token, double total) {
  const float logit = logits[static_cast<std::size_t>(token)];
  if (std::isnan(logit)) return -kInfinity;  // never chosen
  return static_cast<float>(static_cast<double>(logit) - total);
}

}  // namespace

std::vector<TokenProbability> Sampler::top_logprobs(std::span<const float> logits, int n) {
  if (n < 0) fail(ErrorCode::invalid_argument, "logprobs: expected 0 or more alternatives, found ", n);
  return most_probable(logits, n, runtime::log_sum_exp(logits));
}

float Sampler::logprob(std::span<const float> logits, Token token) {
  if (token < 0 || static_cast<std::size_t>(token) >= logits.size())
    fail(ErrorCode::invalid_argument, "logprob: token ", token, " is outside of the vocabulary of ",
         logits.size());
  return logprob_of(logits, token, runtime::log_sum_exp(logits));
}

double runtime::log_sum_exp(std::span<const float> logits) {
  const double largest = require_largest(logits);
  double sum = 0;
  for (const float logit : logits) {
    if (std::isfinite(logit)) sum += std::exp(static_cast<double>(logit) - largest);
  }
  return largest + std::log(sum);
}

runtime::TokenLogprobs runtime::token_logprobs(std::span<const float> logits, Token token, int alternatives) {
  const double total = runtime::log_sum_exp(logits);
  // Prompts may hold ids of padding rows, which have no probability.
  const bool known = static_cast<std::size_t>(token) < logits.size();
  return {{token, known ? logprob_of(logits, token, total) : -kInfinity},
          most_probable(logits, alternatives, total)};
}

}  // namespace qwen
