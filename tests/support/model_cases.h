// The tiny models that the tests of model/ and run/ go through, and comparing their results.
#pragma once
#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "formats/test_folder.h"
#include "qwen/model.h"
#include "qwen/session.h"
#include "support/tiny_model.h"
#include "support/with_isa.h"

namespace qwen::test {

struct ModelCase {
  std::string name;
  TinyModel tiny;
  bool exact = false;
};

// Odd numbers of blocks and groups of three query heads.
inline TinyModel odd_shape(TensorType type) {
  TinyModel tiny;
  tiny.hidden = 96, tiny.heads = 6, tiny.kv_heads = 2, tiny.head_dim = 16, tiny.ffn = 160;
  tiny.type = type;
  return tiny;
}
// Rows that the K types can hold; a head of its own, one layer.
inline TinyModel wide_shape(TensorType type) {
  TinyModel tiny;
  tiny.layers = 1, tiny.hidden = 256, tiny.heads = 4, tiny.kv_heads = 4, tiny.head_dim = 64, tiny.ffn = 256;
  tiny.type = type;
  tiny.own_head = true;
  return tiny;
}
inline TinyModel qwen3_shape(TensorType type) {
  TinyModel tiny = odd_shape(type);
  tiny.architecture = "qwen3";
  tiny.heads = 4, tiny.kv_heads = 1, tiny.head_dim = 32;
  return tiny;
}

inline std::vector<ModelCase> model_cases() {
  return {{"f32", odd_shape(TensorType::f32)},           {"f32 exact", odd_shape(TensorType::f32), true},
          {"f16", odd_shape(TensorType::f16)},           {"q8_0", odd_shape(TensorType::q8_0)},
          {"q4_0", odd_shape(TensorType::q4_0)},         {"q4_0 exact", odd_shape(TensorType::q4_0), true},
          {"q5_1 qwen3", qwen3_shape(TensorType::q5_1)}, {"q4_k", wide_shape(TensorType::q4_k)},
          {"q6_k", wide_shape(TensorType::q6_k)}};
}

inline Model load_tiny(const TinyModel& tiny, const LoadOptions& options) {
  const TestFolder folder("tiny");
  return Model::load(write_tiny_model(tiny, folder / "tiny.gguf"), options);
}
inline Model load_case(const ModelCase& model_case, int threads = 2) {
  LoadOptions options;
  options.threads = threads;
  options.reference = model_case.exact;
  return load_tiny(model_case.tiny, options);
}

inline std::vector<Token> random_ids(const Model& model, std::size_t n, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<Token> ids(n);
  for (Token& id : ids)
    id = static_cast<Token>(random() % static_cast<unsigned>(model.shape().embedding_rows));
  return ids;
}

using Logits = std::vector<float>;
inline Logits copy_of(std::span<const float> logits) {
  return {logits.begin(), logits.end()};
}
inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

inline Session new_session(const Model& model, int batch = 512) {
  SessionOptions options;
  options.prefill_chunk = batch;
  return Session(model, options);
}
// The logits after these tokens, in a session of their own.
inline std::span<const Token> part(const std::vector<Token>& ids, std::size_t from, std::size_t count) {
  return std::span<const Token>(ids).subspan(from, count);
}

inline Logits fresh_logits(const Model& model, std::span<const Token> ids) {
  Session session = new_session(model);
  return copy_of(session.forward(ids));
}

// Runs `call`, which must fail with `code` and a one-line message that contains `part`.
template <class Call>
void check_error(ErrorCode code, const std::string& part, const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    INFO(error.what());
    CHECK(to_string(error.code()) == std::string(to_string(code)));
    CHECK(std::string(error.what()).find(part) != std::string::npos);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return;
  }
  FAIL("no error, expected: " << part);
}

}  // namespace qwen::test
