// Many requests at once, from many threads, on one model: continuous batching.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/export.h"
#include "qwen/generate.h"
#include "qwen/model.h"
#include "qwen/session.h"

namespace qwen {

namespace runtime {
class EngineCore;  // internal
}

struct EngineOptions {                     // how much at once, and how much is kept
  int context = 0;                         // tokens of each request, prompt and reply, as SessionOptions
  KvType kv_type = KvType::automatic;      // as SessionOptions
  int max_sequences = 8;                   // requests computed at the same time
  int max_queued = 64;                     // requests that wait beyond these; more are refused
  int prefill_tokens = 128;                // prompt tokens in one pass while no reply is under way
  int prefill_tokens_while_decoding = 64;  // and while some are: bounds the time between their tokens
  // KV of finished requests that is kept for prompts that begin alike. It takes the room that running
  // requests leave: with theirs it is never more than `parallel` requests of `context` tokens need.
  std::size_t prefix_bytes = std::size_t{64} << 20;
  // Where pinned prefixes are kept as files (PrefixCacheOptions::folder); "": nowhere.
  std::string prefix_folder{};
};

// What is computed first when several requests wait; in order of arrival within each.
enum class Priority {
  // Short work whose answer somebody waits for: a classification. Two places beside `parallel` are for these
  // alone. Of each pass's prompt tokens they get what they need, three quarters at most while a reply's
  // prompt
  // is being computed.
  high,
  // A reply. The interactive ones never starve it: they take none of the `parallel` places while it waits.
  normal,
};

struct EngineRequest {                   // what is to be computed
  std::vector<Token> prompt;             // not empty
  GenerateOptions generate;              // cancel may be raised by any thread at any moment
  Priority priority = Priority::normal;  // against other requests that wait
  // Where set, nothing is generated: it is called on the engine's thread with a session that has just
  // computed the prompt (so that Session::logits_for works), and the request ends with it. What it throws,
  // result() throws. It must leave the session as it was.
  std::function<void(Session&)> on_prompt{};
  // As generate()'s on_text, called on the engine's thread: everybody waits for it, so only for quick
  // decisions about when to stop. Readers use EngineJob::next().
  std::function<bool(std::string_view text)> on_text{};
};

// Text that is final, with the tokens that are behind it (the text of a token may come with a later one).
struct EngineChunk {
  std::string text;                                         // whole characters; may be empty
  std::vector<Token> tokens;                                // in order
  std::vector<TokenProbability> logprobs;                   // one a token, where asked for
  std::vector<std::vector<TokenProbability>> alternatives;  // as GenerateResult
};

struct EngineResult {              // what came of it; tokens, and seconds
  GenerateResult generation;       // text, tokens, finish; times since the request was computed first
  int prompt_tokens = 0;           // of the whole prompt
  int cached_tokens = 0;           // of these, known before
  double queue_seconds = 0;        // from submit() until it was computed first
  double first_token_seconds = 0;  // TTFT: from submit() to the first token, or to on_prompt's end
  double total_seconds = 0;        // from submit() to the end
};

// A request under way. Copies share it; destroying the last one cancels it. next() and result() for one
// thread at a time; cancel(), done() and waiting() for any. A job that was made empty is done and has no
// text.
class QWEN_API EngineJob {
 public:
  EngineJob() = default;                                                 // an empty one
  explicit operator bool() const noexcept { return state_ != nullptr; }  // whether it stands for a request
  // The next text, as soon as there is some: all that has come since the last call. No value once all has
  // been given, or when `wait` has passed without any: done() tells which. Never throws what the request
  // failed with.
  std::optional<EngineChunk> next(std::chrono::milliseconds wait = std::chrono::hours(24 * 365));
  // The request has ended, and next() has given all its text.
  bool done() const noexcept;
  // Waits for the end. A cancelled request has FinishReason::cancelled. The result belongs to the job: it
  // stays as long as a copy does. Throws what the request failed with; Error(invalid_argument) for an empty
  // job.
  const EngineResult& result();
  // The request's place is free again after the pass that is being computed. May come at any moment.
  void cancel() const noexcept;
  // Its place in the queue: 1 is the next to be computed, 0 is no longer in the queue.
  int queue_position() const noexcept;

 private:
  friend class Engine;
  struct State;
  std::shared_ptr<State> state_;
};

// It has a thread of its own that computes all requests together: in each pass one token of every reply under
// way, and the next part of the prompts that wait. Bounded in memory and in queue. Safe from many threads.
//
// A result has the same bits as generate() with the same prompt and options on a session alone: it depends
// neither on the company, nor on what was reused, nor on the number of threads.
class QWEN_API Engine {
 public:
  // Error(invalid_argument) for options out of range.
  explicit Engine(Model model, const EngineOptions& options = {});
  // Cancels what is under way, and waits for it. So a request's callbacks must not own the engine: the last
  // owner would be its own thread.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Error(busy) where the queue is full or the engine is draining; Error(context_full) where the prompt alone
  // does not fit; Error(invalid_argument) for an empty prompt, an id out of range, or bad sampling options.
  // All before the request takes any place.
  EngineJob submit(EngineRequest request);
  // Computes these tokens (or reads them from prefix_folder) and keeps their KV for good: the fixed part of a
  // task's prompt. Waits for it. Does nothing where they are pinned, or do not fit into the context.
  // Error(busy) while draining.
  void pin(std::span<const Token> tokens);
  // Takes no more requests, and waits until those under way have ended or `wait` has passed: then the rest is
  // cancelled. Returns whether all ended by themselves.
  bool drain(std::chrono::milliseconds wait);

  struct Counters {               // what an engine has done
    int queued = 0, running = 0;  // now
    std::uint64_t submitted = 0, refused = 0, finished = 0, cancelled = 0, failed = 0;  // requests, so far
    std::uint64_t prompt_tokens = 0;          // of all requests that were begun
    std::uint64_t cached_tokens = 0;          // of these, reused
    std::uint64_t generated_tokens = 0;       // of all replies
    std::uint64_t passes = 0, pass_rows = 0;  // forward passes, and the tokens in them
    // Held after the last pass: sequences, pinned and kept prefixes; pages that are shared once.
    std::size_t kv_bytes = 0;
    std::size_t scratch_bytes = 0;  // held by activations
  };
  Counters counters() const;
  const Model& model() const noexcept;
  const EngineOptions& options() const noexcept;  // with defaults filled in

 private:
  std::unique_ptr<runtime::EngineCore> core_;
};

}  // namespace qwen
