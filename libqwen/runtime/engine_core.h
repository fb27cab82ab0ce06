// The engine's thread: who is computed next, and the passes.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "qwen/engine.h"
#include "qwen/prefix_cache.h"
#include "runtime/request_state.h"
#include "runtime/state.h"

namespace qwen::runtime {

class EngineCore {
 public:
  EngineCore(Model handle, const EngineOptions& wanted);
  ~EngineCore();
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;

  std::shared_ptr<EngineRequestState> submit(EngineRequest request);
  void pin(std::span<const Token> tokens);
  bool drain(std::chrono::milliseconds wait);
  Engine::Counters counters() const;

  const Model model;
  const EngineOptions options;

 private:
  using TaskPointer = std::shared_ptr<EngineRequestState>;
  // A request that is computed.
  struct Sequence {
    Sequence(TaskPointer what, std::unique_ptr<SessionState> state)
        : task(std::move(what)), session(std::move(state)) {}
    const std::vector<Token>& prompt() const { return task->request.prompt; }
    bool prefilling() const { return session.position() < static_cast<int>(prompt().size()); }
    int missing() const { return static_cast<int>(prompt().size()) - session.position() - rows; }

    TaskPointer task;
    Session session;
    bool placed = false;  // its known beginning is in the session
    bool begun = false;   // the prompt is computed, and the generation knows
    bool ended = false;   // to be taken out
    int rows = 0;         // tokens in this pass
    std::exception_ptr error;
    float* logits = nullptr;  // of this pass
  };
  using Sequences = std::vector<std::unique_ptr<Sequence>>;

  TaskPointer enqueue(EngineRequest request, bool beyond_limits);
  // ---- the thread
  void loop();
  // With mutex_ held.
  void admit();
  void start_next(std::deque<TaskPointer>& queue);
  void update_queue_positions();

  bool is_cancelled(const EngineRequestState& task) const { return cancel_all_.load() || task.cancelled(); }
  void step();
  void plan();
  int assign_prefill_tokens(Priority priority, int left);
  bool attach_prefix(Sequence& sequence);
  void compute();
  void sample_all();
  void answer_prompt(Sequence& sequence);
  void compute_logits();
  void sample_tokens();
  // The place is free from here on, and the counter one more; with mutex_ held.
  void release(Sequence& sequence, std::uint64_t& counter);
  void end(Sequence& sequence, FinishReason reason);
  void fail(Sequence& sequence, std::exception_ptr error);
  void cache_prefix(const Sequence& sequence) noexcept;
  void fail_all(std::exception_ptr error);
  void enforce_kv_limit();

  const int places_;  // sequences at once, those for interactive requests included
  PrefixCache prefixes_;
  const std::shared_ptr<model::Workspace> workspace_;
  const std::size_t kv_limit_;

  // The thread's own.
  Sequences running_;
  std::vector<model::SequenceInput> inputs_;
  std::vector<Sequence*> answering_;  // those whose next token is drawn
  std::vector<float> hidden_;         // [answering][hidden]
  AlignedBuffer logits_;              // [places][stride]
  PrefixCache::Pages pages_;

  mutable std::mutex mutex_;
  std::condition_variable work_, idle_;
  // With mutex_ held.
  std::deque<TaskPointer> interactive_, normal_;
  int running_interactive_ = 0, running_normal_ = 0;
  bool draining_ = false, stop_ = false;
  Engine::Counters counters_;

  std::atomic<bool> cancel_all_{false};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace qwen::runtime
