// Models and requests that the tests of the engine share.
#pragma once
#include <random>

#include "formats/test_folder.h"
#include "qwen/qwen.h"
#include "support/tiny_model.h"

namespace qwen::test {

// Random weights: nearly every token changes with every bit of what came before.
inline Model random_model(int threads = 2) {
  static const TestFolder folder("engine-model");
  TinyModel tiny;
  tiny.type = TensorType::q8_0;
  tiny.spare_rows = 3;
  LoadOptions options;
  options.threads = threads;
  return Model::load(write_tiny_model(tiny, folder / "tiny.gguf"), options);
}

// What a session alone answers.
inline GenerateResult alone(const Model& model, const EngineOptions& options,
                            const std::vector<Token>& prompt, const GenerateOptions& generation) {
  SessionOptions session_options;
  session_options.context = options.context;
  session_options.kv_type = options.kv_type;
  Session session(model, session_options);
  return generate(session, prompt, generation);
}

inline std::vector<Token> some_prompt(int count, unsigned salt) {
  std::mt19937 random(salt);
  std::vector<Token> out;
  for (int i = 0; i < count; ++i) out.push_back(static_cast<Token>(random() % 256));
  return out;
}

inline GenerateOptions greedy_options(int tokens) {
  GenerateOptions options;
  options.max_new_tokens = tokens;
  options.sampling = SamplingOptions{.temperature = 0};
  options.stop_at_end_of_turn = false;
  return options;
}

inline EngineRequest request_of(std::vector<Token> prompt, GenerateOptions generation,
                                Priority priority = Priority::normal) {
  EngineRequest request;
  request.prompt = std::move(prompt);
  request.generate = std::move(generation);
  request.priority = priority;
  return request;
}

}  // namespace qwen::test
