// What quantisation cost: the quantised model's predictions against the source's, token by token.
#pragma once
#include <functional>
#include <string>

namespace qwen_quantize {

struct Measurement {
  std::size_t tokens = 0;  // scored
  double source_perplexity = 0;
  double perplexity = 0;
  double mean_kl = 0;  // of source || quantised, in nats a token
  double kl_99 = 0;    // 99 % of the tokens have no more
  double max_kl = 0;
  double same_top = 0;  // share of the tokens whose likeliest next token is the same
};

// Both models read `text` in windows of `context` tokens; every token of a window but its first is scored. At
// most `limit` tokens of the text are read (0: all). on_progress gets the share that is done.
// Error(invalid_argument) where the text has fewer than 2 tokens or the models have different vocabularies.
Measurement measure(const std::string& source, const std::string& quantized, const std::string& text,
                    int context, int limit, int threads, const std::function<void(double)>& on_progress);

}  // namespace qwen_quantize
