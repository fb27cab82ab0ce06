#include <memory>
#include <string>

#include "micro.h"
#include "qwen/model.h"
#include "qwen/sampler.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

constexpr int kVocab = 151936;

void tokenize(benchmark::State& state, const std::shared_ptr<ModelInMemory>& file) {
  const Tokenizer tokenizer = Model::load_tokenizer(file->path());
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "The quick brown fox jumps over the lazy dog, number " + std::to_string(i) + ". ";
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer.encode(text));
  count_rate(state, "GB/s", static_cast<double>(text.size()));
}

void load_tokenizer(benchmark::State& state, const std::shared_ptr<ModelInMemory>& file) {
  for (auto _ : state) benchmark::DoNotOptimize(Model::load_tokenizer(file->path()));
}

void sample(benchmark::State& state, float temperature, int top_k, float top_p) {
  std::vector<float> logits(kVocab);
  std::uint32_t seed = 1;
  for (float& logit : logits) {
    seed = seed * 1664525u + 1013904223u;
    logit = static_cast<float>(seed >> 8) * 0x1p-20f - 8;
  }
  SamplingOptions options;
  options.temperature = temperature;
  options.top_k = top_k;
  options.top_p = top_p;
  Sampler sampler(options);
  for (auto _ : state) benchmark::DoNotOptimize(sampler.sample(logits));
  count_rate(state, "GB/s", 4.0 * kVocab);
}

}  // namespace

void register_text() {
  // The vocabulary of a small synthetic model: no file is needed.
  const auto file = std::make_shared<ModelInMemory>(parse_synthetic("small:q4_0"));
  benchmark::RegisterBenchmark("tokenizer/encode", tokenize, file);
  benchmark::RegisterBenchmark("tokenizer/load-4096", load_tokenizer, file);
  benchmark::RegisterBenchmark("sampler/greedy", sample, 0.0f, 0, 1.0f);
  benchmark::RegisterBenchmark("sampler/top_k-40-top_p-0.9", sample, 0.7f, 40, 0.9f);
  benchmark::RegisterBenchmark("sampler/top_p-0.9", sample, 0.7f, 0, 0.9f);
}

}  // namespace qwen::bench
