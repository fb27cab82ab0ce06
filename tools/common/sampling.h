// Sampling options given on a command line or in a request.
#pragma once
#include <cstdint>
#include <optional>

#include "qwen/sampler.h"

namespace tools {

struct SamplingChoice {
  std::optional<float> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<int> top_k;
  std::optional<std::uint64_t> seed;

  // Options that were not given keep their value.
  void apply(qwen::SamplingOptions& options) const {
    const auto set = [](auto& value, const auto& given) {
      if (given) value = *given;
    };
    set(options.temperature, temperature);
    set(options.top_k, top_k);
    set(options.top_p, top_p);
    set(options.min_p, min_p);
    set(options.repetition_penalty, repetition_penalty);
    set(options.presence_penalty, presence_penalty);
    set(options.frequency_penalty, frequency_penalty);
    set(options.seed, seed);
  }
};

}  // namespace tools
