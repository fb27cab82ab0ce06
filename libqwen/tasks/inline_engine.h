// The engine of a classifier or chat that was given none.
#pragma once
#include <memory>

#include "qwen/engine.h"

namespace qwen::tasks {

// Short texts that are computed together, each with an answer of a token or two, or none.
inline const EngineOptions kTogether{.max_sequences = 30};

inline std::shared_ptr<Engine> inline_engine(Model model, const EngineOptions& wanted) {
  EngineOptions options = wanted;
  options.background = false;
  options.prefill_tokens = options.prefill_tokens_while_decoding = 512;
  return std::make_shared<Engine>(std::move(model), options);
}

}  // namespace qwen::tasks
