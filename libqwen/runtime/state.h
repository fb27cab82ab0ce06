// What the public handles hold.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "constraints/token_trie.h"
#include "kernels/kernels.h"
#include "model/forward.h"
#include "model/weights.h"
#include "qwen/session.h"

namespace qwen::runtime {

// Immutable but for the pool, which serializes its users.
struct ModelState {
  ModelInfo info;
  Tokenizer tokenizer{nullptr};
  std::optional<ChatTemplate> chat_template;
  std::vector<Token> end_of_turn;
  std::uint64_t fingerprint = 0;
  bool reference = false;
  const kernels::Kernels* kernels = nullptr;
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<const model::Weights> weights;

  model::ExecContext engine() const { return {*weights, *kernels, *pool}; }
  // Of the tokenizer; made when it is first needed. Thread-safe.
  std::shared_ptr<const constraints::TokenTrie> token_trie() const;

 private:
  mutable std::mutex trie_mutex_;
  mutable std::shared_ptr<const constraints::TokenTrie> trie_;
};

// The KV type for SessionOptions::kv_type.
KvType kv_type_for(const ModelState& model, KvType wanted);
// The context for SessionOptions::context. Throws Error(invalid_argument) if it is out of the model's range.
int checked_context(const Model& model, int wanted);
// Throws Error(invalid_argument) for an id without a row in the embedding. `what` begins the message.
void check_ids(const ModelState& model, std::span<const Token> ids, const char* what);

// Tokens that two sequences have in common at their start.
int common_prefix(std::span<const Token> a, std::span<const Token> b) noexcept;

struct SnapshotState {
  std::uint64_t fingerprint;
  model::KvCache cache;
  std::vector<Token> tokens;
  std::vector<float> hidden;  // of the last token; empty if unknown
};
using SnapshotPointer = std::shared_ptr<const SnapshotState>;

// A sequence of tokens and the model's state after them.
struct Sequence {
  Sequence(const ModelState& model, int context, KvType kv_type)
      : model(&model),
        context(context),
        cache(model::kv_layout(model.info.shape, kv_type_for(model, kv_type))) {}

  const ModelState* model;
  int context;  // tokens at most
  model::KvCache cache;
  std::vector<Token> tokens;  // in the cache
  std::vector<float> hidden;  // [hidden] of the last token after the final norm; empty if unknown

  int position() const noexcept { return static_cast<int>(tokens.size()); }
  int room() const noexcept { return context - position(); }
  void rewind(int length);
  SnapshotPointer snapshot(int length = -1) const;  // -1: all, with the hidden state
  void restore(const SnapshotState& from,
               int length = -1);  // from must be of the same model and KV type, and fit
};

class Executor;
struct StepItem;

struct SessionState {
  SessionState(Model handle, const SessionOptions& session_options);
  ~SessionState();

  Model model;
  SessionOptions options;
  Sequence sequence;
  std::shared_ptr<Executor> executor;
  PrefillCallback on_prefill;
  std::vector<StepItem> batch;  // of forward_batch(): kept, so that a step allocates nothing

  const ModelState& m() const;
};

// The only way from the public handles to their states.
struct Access {
  static const ModelState& state(const Model& model) noexcept { return *model.state_; }
  static Model make_model(std::shared_ptr<const ModelState> state) { return Model(std::move(state)); }
  static SessionState& state(Session& session) noexcept { return *session.state_; }
  static const SnapshotState& state(const Snapshot& snapshot) noexcept { return *snapshot.state_; }
  static Snapshot make_snapshot(SnapshotPointer state) {
    Snapshot out;
    out.state_ = std::move(state);
    return out;
  }
};

inline const ModelState& state_of(const Model& model) noexcept {
  return Access::state(model);
}
inline const ModelState& SessionState::m() const {
  return state_of(model);
}

}  // namespace qwen::runtime
