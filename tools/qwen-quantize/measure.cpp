#include "qwen-quantize/measure.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "qwen/qwen.h"

namespace qwen_quantize {
namespace {

using Logits = std::span<const float>;

// Tokens computed by one model before the other follows: what of the first one's logits must be kept.
constexpr std::size_t kStep = 32;

struct Distribution {
  float largest = 0;
  std::size_t top = 0;
  double log_sum = 0;  // of exp(logit - largest)

  explicit Distribution(Logits logits) {
    top = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    largest = logits[top];
    double total = 0;
    for (const float x : logits) total += static_cast<double>(std::exp(x - largest));
    log_sum = std::log(total);
  }
  double logprob(float logit) const { return static_cast<double>(logit - largest) - log_sum; }
};

struct Scores {
  double source_nll = 0, nll = 0;
  std::vector<double> kl;
  std::size_t same_top = 0;

  void add(Logits source, Logits quantized, qwen::Token next) {
    const Distribution p(source), q(quantized);
    double divergence = 0;
    for (std::size_t i = 0; i < source.size(); ++i) {
      const double lp = p.logprob(source[i]);
      divergence += std::exp(lp) * (lp - q.logprob(quantized[i]));
    }
    kl.push_back(std::max(divergence, 0.0));
    source_nll -= p.logprob(source[static_cast<std::size_t>(next)]);
    nll -= q.logprob(quantized[static_cast<std::size_t>(next)]);
    same_top += p.top == q.top;
  }
};

// Scores the tokens of one window.
void score_window(qwen::Session& source, qwen::Session& quantized, std::span<const qwen::Token> window,
                  std::vector<float>& kept, Scores& scores) {
  source.rewind(0);
  quantized.rewind(0);
  const auto vocab = static_cast<std::size_t>(source.model().tokenizer().size());  // without rows of padding
  kept.resize(kStep * vocab);
  for (std::size_t at = 0; at + 1 < window.size(); at += kStep) {
    const std::span<const qwen::Token> tokens = window.subspan(at, std::min(kStep, window.size() - 1 - at));
    source.forward_all_logits(tokens, [&](int row, Logits logits) {
      std::copy_n(logits.begin(), vocab, kept.begin() + static_cast<std::ptrdiff_t>(row * vocab));
    });
    quantized.forward_all_logits(tokens, [&](int row, Logits logits) {
      const auto index = static_cast<std::size_t>(row);
      scores.add(Logits(kept).subspan(index * vocab, vocab), logits.first(vocab), window[at + index + 1]);
    });
  }
}

}  // namespace

Measurement measure(const std::string& source_path, const std::string& quantized_path,
                    const std::string& text, int context, int limit, int threads,
                    const std::function<void(double)>& on_progress) {
  qwen::LoadOptions load;
  load.threads = threads;
  const qwen::Model source = qwen::Model::load(source_path, load);
  const qwen::Model quantized = qwen::Model::load(quantized_path, load);
  if (source.tokenizer().size() != quantized.tokenizer().size())
    throw qwen::Error(qwen::ErrorCode::invalid_argument, "the two models have different vocabularies");
  std::vector<qwen::Token> tokens = source.tokenizer().encode_prompt(text);
  if (limit > 0 && tokens.size() > static_cast<std::size_t>(limit))
    tokens.resize(static_cast<std::size_t>(limit));
  if (tokens.size() < 2)
    throw qwen::Error(qwen::ErrorCode::invalid_argument, "the text to measure on has fewer than 2 tokens");
  qwen::SessionOptions options;
  options.context = std::min(context, source.shape().max_context);
  qwen::Session first(source, options), second(quantized, options);

  Scores scores;
  std::vector<float> kept;
  const auto window = static_cast<std::size_t>(options.context);
  for (std::size_t begin = 0; begin < tokens.size(); begin += window) {
    const std::size_t size = std::min(window, tokens.size() - begin);
    score_window(first, second, std::span(tokens).subspan(begin, size), kept, scores);
    if (on_progress) on_progress(static_cast<double>(begin + size) / static_cast<double>(tokens.size()));
  }

  Measurement result;
  const double n = static_cast<double>(scores.kl.size());
  result.tokens = scores.kl.size();
  result.source_perplexity = std::exp(scores.source_nll / n);
  result.perplexity = std::exp(scores.nll / n);
  for (const double kl : scores.kl) result.mean_kl += kl / n;
  std::sort(scores.kl.begin(), scores.kl.end());
  result.kl_99 = scores.kl[static_cast<std::size_t>(0.99 * (n - 1))];
  result.max_kl = scores.kl.back();
  result.same_top = static_cast<double>(scores.same_top) / n;
  return result;
}

}  // namespace qwen_quantize
