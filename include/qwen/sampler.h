// From logits to the next token.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qwen/export.h"
#include "qwen/tokenizer.h"

namespace qwen {

struct SamplingOptions {     // how the next token is chosen
  float temperature = 0.7f;  // 0 is greedy: the largest logit, the lowest id among equals
  int top_k = 40;            // 0 keeps all
  float top_p = 0.9f;        // 1 keeps all
  float min_p = 0.0f;        // keep tokens with at least min_p times the largest probability; 0 keeps all
  float repetition_penalty = 1.0f;  // 1 is off; divides positive logits, multiplies negative ones
  float presence_penalty = 0.0f;    // subtracted once from each token that was generated
  float frequency_penalty = 0.0f;   // subtracted for each time it was generated
  int penalty_last_n = 0;           // tokens that the penalties look back at; 0: all
  std::vector<std::pair<Token, float>> logit_bias{};  // added to the logit; -infinity forbids
  std::uint64_t seed = 0;                             // of the draws
};

struct TokenProbability {  // how likely the model finds a token
  Token token;             // its id
  float logprob;           // natural logarithm, of the distribution before temperature and truncation
};

// Steps, in the order of Hugging Face's generate: logit bias, repetition penalty (over prompt and generated
// tokens), frequency and presence penalties (over generated tokens), then - unless greedy - temperature,
// top-k, top-p, min-p, one draw. Same options, seed and logits: same tokens. One thread at a time.
//
// As there, top-k keeps every token that equals the k-th largest logit, and top-p keeps the token that
// crosses the sum. Where it cuts between equals, the lower ids stay. NaN and infinite logits are never
// chosen.
class QWEN_API Sampler {
 public:
  // Error(invalid_argument) for values out of range (negative temperature, top_p outside (0, 1], ...).
  explicit Sampler(SamplingOptions options = {});

  // Tells the sampler about tokens that are in the context (the prompt): only the repetition penalty sees
  // them.
  void accept_prompt(std::span<const Token> tokens);
  // The next token for `logits` [vocab], which are not changed; the token counts as generated from now on.
  // Error(internal) where no logit is finite; Error(invalid_argument) for a biased id outside of the
  // vocabulary.
  Token sample(std::span<const float> logits);
  // The logits that decide the next sample(), where greedy or top-k choice needs only some: the `count`
  // largest of the tokens not in `must_include`, and those in `must_include` (what penalties and biases touch). For
  // Session::forward_top_k. No value where all logits are needed. Valid until the next call of any other
  // function.
  struct LogitsRequest {
    int count;                            // of the largest logits
    std::span<const Token> must_include;  // ids that are needed whatever their logits
  };
  std::optional<LogitsRequest> required_logits();  // see LogitsRequest
  // Forgets the tokens seen and starts again from the seed.
  void reset();
  const SamplingOptions& options() const noexcept { return options_; }

  // The `n` most probable tokens for `logits` [vocab], most probable first, with log-probabilities over the
  // whole vocabulary. Error(invalid_argument) for n < 0.
  static std::vector<TokenProbability> top_logprobs(std::span<const float> logits, int n);
  // That of one token; minus infinity for a logit that is no number. Error(invalid_argument) for an id out of
  // range.
  static float logprob(std::span<const float> logits, Token token);

 private:
  struct Candidate {
    float score;
    Token token;
  };
  struct Seen {
    int total = 0;      // in the window, prompt and generated
    int generated = 0;  // of these, generated
  };
  struct HistoryEntry {
    Token token;
    bool generated;
  };
  static bool before(const Candidate& a, const Candidate& b) noexcept {
    return a.score != b.score ? a.score > b.score : a.token < b.token;
  }
  bool penalizes() const noexcept;
  void accept(Token token, bool generated);
  std::span<const float> adjust(std::span<const float> logits);
  static void select_top_k(std::span<const float> scores, std::size_t k, std::vector<Candidate>& out);
  void select_top_p(std::span<const float> scores, float largest);
  void select_above(std::span<const float> scores, float threshold);
  void cut_top_p(float largest, double total);
  Token draw_candidate(float largest);
  void weigh(std::span<const float> scores, float largest);
  std::size_t draw();
  double weight(float score, float largest) const noexcept;
  double uniform() noexcept;

  SamplingOptions options_;
  std::mt19937_64 random_;
  std::unordered_map<Token, Seen> seen_;  // what the penalties look back at; empty where they are off
  std::deque<HistoryEntry> window_;       // the same in order, oldest first, where penalty_last_n limits it
  std::vector<float> adjusted_;           // [vocab]
  std::vector<float> weights_;            // of candidates_, or of the vocabulary
  std::vector<Candidate> candidates_;
  std::vector<Token> must_include_;  // what required_logits() points to
};

}  // namespace qwen
