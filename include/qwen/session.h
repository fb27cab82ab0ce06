// One conversation with a model: its KV cache and the position in it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "qwen/export.h"
#include "qwen/model.h"

namespace qwen {

namespace runtime {
struct SessionState;  // internal
}

enum class KvType {  // in which numbers keys and values are kept
  automatic,         // f32 for F32 checkpoints and LoadOptions::reference, else f16
  f16,
  f32,
};

struct SessionOptions {  // how much a session can hold
  int context = 0;  // tokens, at most the model's max_context; 0: 2048 or that, the smaller. Memory is taken
                    // as it fills
  KvType kv_type = KvType::automatic;  // of the cache
  int prefill_chunk = 512;             // prompt tokens computed at once; results do not depend on it
};

// An immutable copy of a session's first tokens and their KV: cheap to keep, shared by reference.
class QWEN_API Snapshot {
 public:
  Snapshot() = default;
  int length() const noexcept;                                          // tokens
  std::span<const Token> tokens() const noexcept;                       // [length]
  std::size_t bytes() const noexcept;                                   // memory held
  explicit operator bool() const noexcept { return data_ != nullptr; }  // false for one that was made empty
  const struct SnapshotData& data() const noexcept { return *data_; }   // internal

 private:
  friend class Session;
  std::shared_ptr<const struct SnapshotData> data_;
};

// Used by one thread at a time; different sessions of one model may be used at the same time. Results never
// depend on the number of threads, on how tokens were split into calls, or on other sessions.
class QWEN_API Session {
 public:
  explicit Session(Model model,
                   const SessionOptions& options = {});  // Error(invalid_argument) for options out of range
  explicit Session(std::unique_ptr<runtime::SessionState> state);  // internal
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  const Model& model() const noexcept;
  int position() const noexcept;                   // tokens in the cache
  int context() const noexcept;                    // tokens that it has room for
  std::span<const Token> tokens() const noexcept;  // the tokens in the cache, [position]

  // Appends tokens and returns the logits [vocab] of the last one, valid until the next call on this session.
  // Error(invalid_argument) for no tokens or an id out of range; Error(context_full) where they do not fit
  // (then nothing changes); Error(cancelled) where set_prefill_callback returned false (the batches done so far stay);
  // Error(io) where a model file that is read in place has changed.
  std::span<const float> forward(std::span<const Token> tokens);
  // The same, but only the logits that can matter to a choice among the largest ones: exact for every token
  // that may be among the `count` largest of those not in `must_include`, and for those in `must_include`; others, and rows
  // of padding beyond the tokeniser's size, may be minus infinity. With a Q8_0 head this reads half of it.
  // Sampler::required_logits() says what a sampler's options ask for.
  std::span<const float> forward_top_k(std::span<const Token> tokens, int count,
                                       std::span<const Token> must_include = {});
  // forward() without the output head.
  void prefill(std::span<const Token> tokens);
  // forward() with the logits of every one of the tokens, row by row: on_row(index, logits [vocab]), which
  // are valid during the call.
  void forward_all_logits(std::span<const Token> tokens,
                          const std::function<void(int index, std::span<const float> logits)>& on_row);
  // Logits of the given ids only, for the last token in the cache: out[i] is bit-equal to forward()'s
  // logits[ids[i]]. Valid after any call that computes tokens. Error(invalid_argument) where nothing was
  // computed since the last rewind, for an id out of range, or for less room in `out` than ids.
  void logits_for(std::span<const Token> ids, std::span<float> out) const;
  // The logits [vocab] of the last token in the cache once more, valid until the next call. Needs what
  // logits_for() needs.
  std::span<const float> logits();
  // Called after each batch of a long prompt with the tokens done and in all; returning false cancels.
  // Returns the callback that stood before.
  std::function<bool(int, int)> set_prefill_callback(std::function<bool(int done, int total)> callback);

  // Forgets all but the first `length` tokens; their memory is given back in whole pages of 256.
  // Error(invalid_argument) for less than 0 or more than position().
  void rewind(int length);
  // Copies the first `length` tokens (all: -1), with the state of the last one where it is all.
  // Error(invalid_argument) for a length out of range.
  Snapshot snapshot(int length = -1) const;
  // Replaces the content by the snapshot's first `length` tokens (all: -1). Error(invalid_argument) where it
  // belongs to another model or KV type, Error(context_full) where it does not fit.
  void restore(const Snapshot& snapshot, int length = -1);
  // Writes the session to a file (through a temporary name) / reads one. The file is bound to
  // Model::fingerprint(): Error(bad_format) for another model, KV type or version, or damaged content;
  // Error(context_full) where it does not fit; Error(not_found) or Error(io) for what the system refuses.
  // Where it fails, the session, or the file that was there, stays as it was.
  void save(const std::string& path) const;
  void load(const std::string& path);  // what save() wrote

  std::size_t kv_bytes() const noexcept;       // held by the KV cache now, pages shared with others included
  std::size_t scratch_bytes() const noexcept;  // held by activations now

  // One pass over the weights for many sessions of one model: appends items[i].tokens to *items[i].session.
  // A session may stand in the list once. Each session's results are bit-equal to its own forward() alone.
  struct BatchItem {
    Session* session;               // of the same model as the others
    std::span<const Token> tokens;  // at least one
    bool want_logits = true;        // of the last token
    std::span<const float> logits;  // out: [vocab] where wanted, valid until that session's next call
  };
  // Errors as forward(), and Error(invalid_argument) for sessions of different models or one that stands
  // there twice; then nothing changes.
  static void forward_batch(std::span<BatchItem> items);

  runtime::SessionState& state() noexcept { return *state_; }              // internal
  const runtime::SessionState& state() const noexcept { return *state_; }  // internal

 private:
  std::unique_ptr<runtime::SessionState> state_;
};

}  // namespace qwen
