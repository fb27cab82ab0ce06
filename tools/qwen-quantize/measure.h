// Compares the quantized model's predictions with the source's, token by token.
#pragma once
#include <functional>
#include <string>

namespace qwen_quantize {

struct Measurement {
  std::size_t tokens = 0;  // scored
  double source_perplexity = 0;
  double perplexity = 0;
  double mean_kl = 0;  // KL(source || quantized), nats per token
  double kl_99 = 0;    // 99th percentile
  double max_kl = 0;
  double same_top = 0;  // share of tokens with the same most probable next token
};

// Both models read `text` in windows of `context` tokens; every token of a window but its first is scored. At
// most `limit` tokens of the text are read (0: all). on_progress receives the fraction done.
// Throws Error(invalid_argument) if the text has fewer than 2 tokens or the vocabularies differ.
Measurement measure(const std::string& source, const std::string& quantized, const std::string& text,
                    int context, int limit, int threads, const std::function<void(double)>& on_progress);

}  // namespace qwen_quantize
