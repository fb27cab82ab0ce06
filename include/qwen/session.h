// One sequence of tokens with its KV cache.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "qwen/callback.h"
#include "qwen/export.h"
#include "qwen/model.h"

namespace qwen {

namespace runtime {
struct SessionState;
struct SnapshotState;
struct Access;
}  // namespace runtime

enum class KvType {  // number type of keys and values
  automatic,         // f32 for F32 checkpoints and LoadOptions::reference, else f16
  f16,
  f32,
};

// Size and precision of a session.
struct SessionOptions {
  // Tokens, at most the model's max_context; 0: the smaller of 2048 and max_context. Memory is allocated as the
  // session fills.
  int context = 0;
  KvType kv_type = KvType::automatic;  // keys and values
  int prefill_chunk = 512;             // prompt tokens computed at once; results do not depend on it
};

// An immutable copy of a session's first tokens and their KV. Copies share it; KV pages are shared with the session.
class QWEN_API Snapshot {
 public:
  Snapshot() = default;
  int length() const noexcept;                                           // tokens
  std::span<const Token> tokens() const noexcept;                        // [length]
  std::size_t bytes() const noexcept;                                    // of memory, shared pages included
  explicit operator bool() const noexcept { return state_ != nullptr; }  // false if default-constructed

 private:
  friend struct runtime::Access;
  std::shared_ptr<const runtime::SnapshotState> state_;
};

// Called after each chunk of a prompt with the tokens done and in total; returning false cancels.
using PrefillCallback = Callback<int, int>;

// Used by one thread at a time; different sessions of one model may be used at the same time. Results never
// depend on the number of threads, on how tokens were split into calls, or on other sessions.
//
// Every function that computes throws Error(io) if the model file has changed since it was loaded, and
// Error(unsupported) in a process that was forked after the model was loaded.
class QWEN_API Session {
 public:
  // An empty session. Throws Error(invalid_argument) for options out of range.
  explicit Session(Model model, const SessionOptions& options = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  const Model& model() const noexcept;             // as given to the constructor
  int position() const noexcept;                   // tokens in the cache
  int context() const noexcept;                    // tokens that fit into the cache
  std::span<const Token> tokens() const noexcept;  // [position]

  // Appends tokens and returns the logits [embedding_rows] of the last one, valid until the next call on this session.
  // Throws Error(invalid_argument) if there are no tokens or an id is out of range.
  // Throws Error(context_full) if they do not fit; nothing changes then.
  // Throws Error(cancelled) if the prefill callback returned false; the chunks done so far stay.
  std::span<const float> forward(std::span<const Token> tokens);
  // forward() for a choice among the largest logits: exact for every token that may be among the `count` largest of
  // those not in `must_include`, and for the tokens in `must_include`. Other logits, and rows
  // of padding beyond the tokenizer's size, may be minus infinity. With a Q8_0 head this reads half of the head.
  // Sampler::required_logits() returns what a sampler needs.
  std::span<const float> forward_top_k(std::span<const Token> tokens, int count,
                                       std::span<const Token> must_include = {});
  // forward() without the output head.
  void prefill(std::span<const Token> tokens);
  // forward() with the logits of every token: on_row(index, logits [embedding_rows]); they are valid during the call.
  void forward_all_logits(std::span<const Token> tokens,
                          const std::function<void(int index, std::span<const float> logits)>& on_row);
  // Logits of the given ids for the last token in the cache: out[i] is bit-equal to forward()'s logits[ids[i]].
  // Throws Error(invalid_argument) if nothing was computed since the last rewind, an id is out of range, or `out` is
  // smaller than `ids`.
  void logits_for(std::span<const Token> ids, std::span<float> out) const;
  // The logits [embedding_rows] of the last token in the cache, valid until the next call.
  // Throws Error(invalid_argument) if nothing was computed since the last rewind.
  std::span<const float> logits();
  // The hidden state [ModelShape::hidden] of the last token after the final norm, valid until the next call.
  // Throws Error(invalid_argument) if nothing was computed since the last rewind.
  std::span<const float> hidden() const;
  // Sets a callback that runs after each prefill chunk. Returns the previous one.
  PrefillCallback set_prefill_callback(PrefillCallback callback);

  // Removes all but the first `length` tokens and frees their whole pages of 256 tokens.
  // Throws Error(invalid_argument) for less than 0 or more than position().
  void rewind(int length);
  // Snapshots the first `length` tokens (-1: all). The last hidden state is kept only in a full snapshot.
  // Throws Error(invalid_argument) for a length out of range.
  Snapshot snapshot(int length = -1) const;
  // Replaces the content with the snapshot's first `length` tokens (-1: all).
  // Throws Error(invalid_argument) if the snapshot is empty or belongs to another model or KV type.
  // Throws Error(context_full) if it does not fit.
  void restore(const Snapshot& snapshot, int length = -1);
  // Writes the session to a file (through a temporary name). If it fails, an existing file stays as it was.
  // Throws Error(io) if the file cannot be written.
  void save(const std::string& path) const;
  // Reads a file that save() wrote. If it fails, the session stays as it was.
  // Throws Error(bad_format) for another model (Model::fingerprint), KV type or version, or damaged content.
  // Throws Error(context_full) if it does not fit.
  // Throws Error(not_found) or Error(io) if the file cannot be read.
  void load(const std::string& path);

  std::size_t kv_bytes() const noexcept;       // of the KV cache, pages shared with other sessions included
  std::size_t scratch_bytes() const noexcept;  // of activations and logits

  // One session's part of a batch.
  struct BatchItem {
    Session* session;               // all of one model, each at most once
    std::span<const Token> tokens;  // at least one
    bool want_logits = true;        // of the last token
    // Out: [embedding_rows] if wanted, valid until a session of the batch is used.
    std::span<const float> logits;
  };
  // Appends items[i].tokens to *items[i].session, all in one pass over the weights. Each session's results are
  // bit-equal to its own forward().
  // Throws as forward(), and Error(invalid_argument) for a null session, sessions of different models, or a duplicate
  // session; nothing changes then.
  static void forward_batch(std::span<BatchItem> items);

 private:
  friend struct runtime::Access;
  std::unique_ptr<runtime::SessionState> state_;
};

}  // namespace qwen
