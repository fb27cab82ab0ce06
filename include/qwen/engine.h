// Many requests at once, from many threads, on one model: continuous batching.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qwen/export.h"
#include "qwen/generate.h"
#include "qwen/model.h"
#include "qwen/session.h"

namespace qwen {

namespace runtime {
class EngineCore;
class RequestState;
}  // namespace runtime

// Size and limits of an engine.
struct EngineOptions {
  int context = 0;                     // tokens of each request, prompt and reply, as SessionOptions
  KvType kv_type = KvType::automatic;  // number type of keys and values
  int max_sequences = 8;               // requests computed at the same time, 1 to 256
  int max_queued = 64;                 // requests that wait for one of these places; more are refused
  int prefill_tokens = 128;            // prompt tokens in one pass while no reply is being generated
  // Prompt tokens in one pass while a reply is being generated: bounds the time between its tokens.
  int prefill_tokens_while_decoding = 64;
  // KV of finished requests, kept for prompts with the same beginning. Together with running requests it never takes
  // more than max_sequences full contexts; entries are evicted first.
  std::size_t prefix_bytes = std::size_t{64} << 20;
  // Folder in which pinned prefixes are kept as files for the next start; "": none.
  std::string prefix_folder{};
  // Bytes of all files in prefix_folder; beyond them the least recently used files are removed.
  std::uint64_t prefix_folder_bytes = std::uint64_t{1} << 30;
  // true: the engine has a thread that computes. false (inline): the threads that wait for jobs compute, in turn.
  bool background = true;
};

// Scheduling class; first come, first served within each.
enum class Priority {
  // Short work such as a classification. Two places beyond max_sequences are reserved for it, and it gets up to 3/4
  // of a pass's prefill tokens while a normal prompt is being computed.
  high,
  // Replies. High-priority requests never take the max_sequences places while a normal request waits.
  normal,
};

// A reply to generate.
struct EngineRequest {
  std::vector<Token> prompt;             // not empty
  GenerateOptions generate{};            // length, sampling, stop texts, cancellation
  Priority priority = Priority::normal;  // high: for short replies, such as a generated label
  // As generate()'s on_text, but on the thread that computes all requests: keep it short, and never wait for the
  // engine in it. Readers use EngineJob::next().
  TextCallback on_text{};
};

// Token sequences whose probabilities after a prompt are wanted. Immutable; copies share it.
class QWEN_API Continuations {
 public:
  // Throws Error(invalid_argument) if there are none, one is empty, or two are equal.
  explicit Continuations(std::vector<std::vector<Token>> sequences);
  const std::vector<std::vector<Token>>& sequences() const noexcept;  // in the order given
  int depth() const noexcept;                                         // tokens of the longest sequence

 private:
  friend class runtime::RequestState;
  struct State;
  std::shared_ptr<const State> state_;
};

// A prompt to compute without generating.
struct PromptRequest {
  std::vector<Token> prompt;                     // not empty
  std::optional<Continuations> continuations{};  // EngineResult::scores
  bool hidden = false;                           // EngineResult::hidden
  CancelToken cancel{};                          // ends it before the next pass, also while queued
  Priority priority = Priority::high;            // scheduling class
};

// Text that is final, and tokens (a token's text may come with a later token).
struct EngineChunk {
  std::string text;                                         // whole characters; may be empty
  std::vector<Token> tokens;                                // without the end token
  std::vector<TokenProbability> logprobs;                   // [tokens] if requested
  std::vector<std::vector<TokenProbability>> alternatives;  // as GenerateResult
  // As GenerateResult, if requested; all of them in the first chunk, which comes when the prompt is computed.
  std::vector<TokenProbability> prompt_logprobs;
  std::vector<std::vector<TokenProbability>> prompt_alternatives;  // likewise
};

// What a finished request has computed.
struct EngineResult {
  GenerateResult generation;  // times count from the start of computation
  // PromptRequest: log-probability of each continuation, minus a number that all of them share. [continuations]
  std::vector<double> scores;
  // PromptRequest: state of the last token after the final norm, [ModelShape::hidden], if requested.
  std::vector<float> hidden;
  int prompt_tokens = 0;  // of the whole prompt
  int cached_tokens = 0;  // of these, not computed again
  // Seconds from submit() ...
  double queue_seconds = 0;        // to the start of computation
  double first_token_seconds = 0;  // to the first token (TTFT), or to the end of a PromptRequest
  double total_seconds = 0;        // to the end
};

// How far a request has come.
struct JobProgress {
  int queue_position = 0;  // 1 is next; 0: no longer in the queue
  int prompt_done = 0;     // tokens of the prompt that are computed
  int prompt_total = 0;    // tokens of the prompt
};

// A submitted request. Copies share it; destroying the last one cancels it. next() and result() are for one thread at
// a time; the other functions for any. A default-constructed job is done and has no text.
//
// With an inline engine, next() and result() compute until they can return.
class QWEN_API EngineJob {
 public:
  EngineJob() = default;
  explicit operator bool() const noexcept { return state_ != nullptr; }  // false if default-constructed
  // Waits for text and returns all that has come since the last call. No value if all text has been returned.
  // Never throws the request's error; result() does.
  std::optional<EngineChunk> next();
  // As next(), but no value after `wait` either: then done() is false.
  std::optional<EngineChunk> next(std::chrono::milliseconds wait);
  // Whether the request has ended and next() has returned all its text.
  bool done() const noexcept;
  // Waits for the end. A cancelled request has FinishReason::cancelled. The reference is valid as long as a copy of
  // the job exists. Rethrows the request's error. Throws Error(invalid_argument) for an empty job.
  const EngineResult& result();
  // The request ends after the current pass.
  void cancel() const noexcept;
  int queue_position() const noexcept;    // 1 is next; 0: no longer in the queue
  JobProgress progress() const noexcept;  // zeros for an empty job

 private:
  friend class Engine;
  struct State;
  std::shared_ptr<State> state_;
};

// Computes all requests together: in each pass one token of every reply, and the next part of the waiting prompts.
// Memory and queue are bounded. Safe from many threads.
//
// A result has the same bits as generate() with the same prompt and options on a session: it depends neither on other
// requests, nor on cached prefixes, nor on the number of threads.
//
// In a process that was forked after the engine was made, every function throws Error(unsupported).
class QWEN_API Engine {
 public:
  // Throws Error(invalid_argument) for options out of range.
  // Throws Error(io) if prefix_folder cannot be created.
  explicit Engine(Model model, const EngineOptions& options = {});
  // Cancels all requests and waits for the current pass. A callback of a request must not own the engine.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Queues a request and returns at once.
  // Throws Error(busy) if the queue is full or the engine is draining.
  // Throws Error(context_full) if the prompt does not fit.
  // Throws Error(invalid_argument) for an empty prompt, an id out of range, or bad sampling options.
  EngineJob submit(EngineRequest request);
  // The same for a prompt without a reply. Throws as above.
  // Throws Error(context_full) also if the continuations do not fit after the prompt.
  EngineJob submit(PromptRequest request);
  // Computes these tokens (or reads them from prefix_folder) and keeps their KV permanently: the fixed part of a
  // task's prompt. Waits until it is done. Does nothing if they are pinned or do not fit into the context.
  // Throws Error(busy) while draining.
  void pin(std::span<const Token> tokens);
  // Refuses new requests and waits until all have ended.
  void drain();
  // As drain(), but cancels what is left after `wait`. Returns whether all ended in time.
  bool drain(std::chrono::milliseconds wait);

  // Load and work of an engine.
  struct Counters {
    int queued = 0, running = 0;                                                        // requests now
    std::uint64_t submitted = 0, refused = 0, finished = 0, cancelled = 0, failed = 0;  // requests so far
    std::uint64_t prompt_tokens = 0;          // of all requests that were started
    std::uint64_t cached_tokens = 0;          // of these, not computed again
    std::uint64_t generated_tokens = 0;       // of all replies
    std::uint64_t passes = 0, pass_rows = 0;  // forward passes, and the tokens in them
    std::uint64_t pinned_prefixes = 0;        // now
    std::uint64_t loaded_prefixes = 0;        // of these, read from prefix_folder
    // After the last pass: running requests, pinned and cached prefixes; shared pages once.
    std::size_t kv_bytes = 0;
    std::size_t scratch_bytes = 0;  // of activations and logits
  };
  Counters counters() const;                      // at this moment
  const Model& model() const noexcept;            // as given to the constructor
  const EngineOptions& options() const noexcept;  // with defaults filled in

 private:
  std::shared_ptr<runtime::EngineCore> core_;
};

}  // namespace qwen
