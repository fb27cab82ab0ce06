// A request on its way: what its EngineJob and the engine's thread share.
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

class EngineRequestState {
 public:
  using Clock = std::chrono::steady_clock;

  // Error(invalid_argument) for options out of range.
  EngineRequestState(const Model& model, EngineRequest wanted);
  EngineRequestState(const EngineRequestState&) = delete;
  EngineRequestState& operator=(const EngineRequestState&) = delete;

  // ---- for any thread
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept {
    return cancelled_.load(std::memory_order_relaxed) || request.generate.cancel.cancelled();
  }
  std::atomic<int> place{0};  // in the queue, from 1; 0: not in it
  std::optional<EngineChunk> next(std::chrono::milliseconds wait);
  bool done();
  const EngineResult& result();

  // ---- for the engine's thread
  const EngineRequest request;
  std::optional<Generation> generation;  // where there is no on_prompt
  EngineResult draft;                    // becomes the result
  void begin();                          // is computed from now on
  void publish();                        // gives out what generation has added
  void first_token() { draft.first_token_seconds = seconds(); }
  // Completes the draft, `reason` being for those that have not ended by themselves. Throws what on_text
  // throws.
  void close(FinishReason reason);
  // The draft, or the error, is the result from here on.
  void finish(std::exception_ptr error = nullptr);

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - submitted_).count(); }

  const Clock::time_point submitted_ = Clock::now();
  std::atomic<bool> cancelled_{false};
  std::string fresh_;  // text that was not published yet
  bool begun_ = false;
  std::size_t published_ = 0;  // tokens

  std::mutex mutex_;
  std::condition_variable changed_;
  // With mutex_ held.
  EngineChunk pending_;
  bool ended_ = false;
  EngineResult result_;
  std::exception_ptr error_;
};

}  // namespace qwen::runtime
