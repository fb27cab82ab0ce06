// A submitted request: what its EngineJob and the computing thread share.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>

#include "qwen/engine.h"
#include "runtime/generation.h"

namespace qwen::runtime {

// The tokens of continuations as a tree; node 0 is the root.
struct TokenTree {
  struct Node {
    Token token = 0;
    int ending = -1;  // the sequence that ends here
    int through = 0;  // sequences that pass through or end here
    std::vector<int> children;
  };
  std::vector<Node> nodes;
};

// A point in time, or never.
using Deadline = std::optional<std::chrono::steady_clock::time_point>;
// `wait` from now; never if the clock does not reach that far.
Deadline deadline_after(std::chrono::milliseconds wait);

class RequestState {
 public:
  using Clock = std::chrono::steady_clock;

  // `context`: tokens that the prompt and the answer may have in the KV cache.
  // Throws Error(invalid_argument) for options out of range, and as AnswerRules.
  RequestState(const Model& model, EngineRequest wanted, int context,
               std::shared_ptr<DraftSource> drafts = nullptr);
  explicit RequestState(PromptRequest wanted);
  RequestState(const RequestState&) = delete;
  RequestState& operator=(const RequestState&) = delete;

  // ---- for any thread
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed) || token_.cancelled(); }
  std::atomic<int> queue_position{0};  // 1 is next; 0: not in the queue
  std::atomic<int> prompt_done{0};
  bool has_news() const;   // next() has something to return, or nothing more will come
  bool has_ended() const;  // result() is there
  bool done() const;       // it has ended and next() has returned all
  void wait_for_news(const Deadline& deadline);
  std::optional<EngineChunk> take_news();
  const EngineResult& result();  // waits

  // ---- for the computing thread
  const std::vector<Token> prompt;
  const Priority priority;
  const std::optional<Continuations> continuations;
  const bool wants_hidden = false;
  bool pins = false;                     // the prompt's KV is kept permanently
  PrefillCallback on_prefill{};          // after each pass of the prompt; false cancels
  std::optional<Generation> generation;  // none: nothing is generated
  EngineResult draft;                    // becomes the result

  const TokenTree& tree() const noexcept;
  void begin();    // computation starts
  void publish();  // makes the generation's new text and tokens available
  void first_token() { draft.first_token_seconds = seconds(); }
  // Completes the draft; `reason` is for a generation that has not ended yet. Exceptions of on_text pass through.
  void close(FinishReason reason);
  // Makes the draft, or the error, the result.
  void finish(std::exception_ptr error = nullptr);

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - submitted_).count(); }

  const Clock::time_point submitted_ = Clock::now();
  const CancelToken token_;
  std::atomic<bool> cancelled_{false};
  TextCallback on_text_;
  std::string fresh_;  // text that was not published yet
  bool begun_ = false;
  std::size_t published_ = 0;         // tokens
  std::size_t published_prompt_ = 0;  // log-probabilities of the prompt

  bool is_news() const { return !pending_.text.empty() || !pending_.prompt_logprobs.empty(); }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // With mutex_ held.
  EngineChunk pending_;
  bool ended_ = false;
  EngineResult result_;
  std::exception_ptr error_;
};

}  // namespace qwen::runtime
