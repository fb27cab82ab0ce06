// What a command line or a request says about how tokens are chosen.
#pragma once
#include <cstdint>
#include <optional>

#include "qwen/sampler.h"

namespace tools {

struct SamplingChoice {
  std::optional<float> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<int> top_k;
  std::optional<std::uint64_t> seed;

  // What is not said stays.
  void apply(qwen::SamplingOptions& options) const {
    const auto set = [](auto& value, const auto& said) {
      if (said) value = *said;
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
