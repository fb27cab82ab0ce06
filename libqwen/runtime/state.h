// What the public handles stand for.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/forward.h"
#include "model/weights.h"
#include "qwen/session.h"

namespace qwen::runtime {

// Immutable but for the pool, which serialises its users.
struct ModelState {
  ModelInfo info;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::string chat_template_error;  // why there is none
  std::vector<Token> end_of_turn;
  std::uint64_t fingerprint = 0;
  bool reference = false;
  const kernels::Kernels* kernels = nullptr;
  std::unique_ptr<ThreadPool> pool;
  std::shared_ptr<const model::Weights> weights;

  model::ExecContext engine() const { return {*weights, *kernels, *pool}; }
};

// The KV type that a session uses where `wanted` leaves it to the model.
KvType kv_type_for(const ModelState& model, KvType wanted);
// The context in tokens for SessionOptions::context. Error(invalid_argument) where the model has no such one.
int checked_context(const Model& model, int wanted);

struct SessionState {
  // Sessions that one thread uses may share a workspace; null: one of its own.
  SessionState(Model handle, const SessionOptions& session_options,
               std::shared_ptr<model::Workspace> shared = nullptr);

  Model model;
  SessionOptions options;
  model::KvCache cache;
  std::shared_ptr<model::Workspace> workspace;
  std::vector<Token> tokens;  // in the cache
  std::vector<float> hidden;  // [hidden] final state of the last token, empty where none was computed
  AlignedBuffer logits;       // [vocab rounded up to 16]
  std::function<bool(int, int)> on_prefill;

  // Of the batches that this session leads: kept, so that a step allocates nothing.
  std::vector<model::SequenceInput> batch_inputs;
  std::vector<float> batch_hidden;  // [wanted][hidden]
  AlignedBuffer batch_logits;       // [wanted][vocab rounded up to 16]

  const ModelState& m() const { return model.state(); }
  int position() const { return static_cast<int>(tokens.size()); }
};

}  // namespace qwen::runtime

namespace qwen {

struct SnapshotData {
  std::uint64_t fingerprint;
  model::KvCache cache;
  std::vector<Token> tokens;
  std::vector<float> hidden;  // of the last token, where it was known
};

}  // namespace qwen
