// The queue of requests, which of them are computed, and the passes.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/process.h"
#include "qwen/engine.h"
#include "runtime/executor.h"
#include "runtime/prefix_cache.h"
#include "runtime/request_state.h"
#include "runtime/state.h"

namespace qwen::runtime {

class EngineCore {
 public:
  // An engine with buffers of its own.
  EngineCore(Model handle, const EngineOptions& wanted);
  // An inline engine for requests that continue a session's sequence, with the session's buffers.
  EngineCore(SessionState& session);
  ~EngineCore();
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;

  using RequestPointer = std::shared_ptr<RequestState>;
  RequestPointer submit(EngineRequest request);
  RequestPointer submit(PromptRequest request);
  // Continues `sequence` until the request's prompt, which begins with the sequence's tokens, is in it, and goes on in
  // it. The sequence must stay until the request has ended.
  RequestPointer submit_on(Sequence& sequence, RequestPointer request);
  void pin(std::span<const Token> tokens);
  bool drain(const Deadline& deadline);
  Engine::Counters counters() const;
  // Waits until the request has text or has ended; until it has ended. Inline, this thread computes.
  void wait_for_news(RequestState& request, const Deadline& deadline);
  void wait_for_end(RequestState& request);
  // Ends the thread, or waits for the one that computes; cancels all requests.
  void stop();

  const Model model;
  const EngineOptions options;
  const ProcessCheck process;

 private:
  // One node of a request's continuations that is computed behind the prompt.
  struct Branch {
    int node;
    double score;                          // log-probability so far
    std::shared_ptr<const Sequence> from;  // ends before the node's token
    std::shared_ptr<Sequence> sequence{};  // holds the node's token, once it is computed
  };
  enum class Stage {
    waiting,  // for a prefix that another request computes
    prefilling,
    decoding,
    scoring,
    ended,
  };
  // A request that has one of the places.
  struct Running {
    const std::vector<Token>& prompt() const { return request->prompt; }
    int missing() const { return static_cast<int>(prompt().size()) - sequence->position() - rows; }
    bool wants_prompt_logprobs() const {
      return request->generation && request->generation->prompt_alternatives() >= 0;
    }
    bool complete() const { return sequence->position() >= static_cast<int>(prompt().size()); }

    RequestPointer request;
    std::shared_ptr<Sequence> sequence;
    Stage stage = Stage::waiting;
    int rows = 0;                // prompt tokens in this pass
    std::vector<Token> input{};  // of this pass, while decoding: tokens that are not cached, then the draft
    std::size_t drafted = 0;     // of these, the draft
    std::vector<Branch> branches{};  // to compute; the last ones first
    std::vector<Branch> active{};    // in this pass
    std::exception_ptr error{};
  };
  // What an item of a pass belongs to; `branch` -1: the request itself.
  struct Owner {
    Running* running;
    int branch = -1;
  };

  RequestPointer enqueue(RequestPointer request, bool beyond_limits);
  bool queues_empty() const { return high_.empty() && normal_.empty(); }

  // ---- the thread, or inline a waiting thread
  void loop();
  // One pass. Returns false if there is nothing to do.
  bool run_pass();
  template <class Done>
  void compute_until(const Done& done, const Deadline& deadline);
  // With mutex_ held.
  void admit();
  void start_next(std::deque<RequestPointer>& queue);
  void update_queue_positions();
  void start(RequestPointer request, std::shared_ptr<Sequence> sequence);

  bool is_cancelled(const RequestState& request) const { return cancel_all_.load() || request.cancelled(); }
  void step();
  void plan();
  int assign_prefill_tokens(Priority priority, int left);
  bool attach_prefix(Running& running);
  void compute();
  void begin_prompt_logprobs(Running& running);
  void record_prompt_logprobs();
  void add_prompt_logprobs(Generation& generation, std::span<const Token> tokens, const float* logits);
  void add_items(Running& running);
  void take_results();
  void finish_prompts();
  bool start_decoding(Running& running);
  void sample_all();
  void sample_tokens();
  void resample(Running& running);
  void append_tokens(Running& running);
  // ---- continuations (engine_score.cpp)
  void start_scoring(Running& running);
  void start_branches();
  void score_children(Running& running, const Branch& branch, const float* logits);
  void finish_branches(Running& running, std::span<const float* const> logits);
  // The place is free from here on, and the counter one more.
  void release(Running& running, std::uint64_t& counter);
  void end(Running& running, FinishReason reason);
  void fail(Running& running, std::exception_ptr error);
  void cache_prefix(const Running& running) noexcept;
  void fail_all(std::exception_ptr error);
  void add_pages(PrefixCache::Pages& pages) const;
  void enforce_kv_limit();

  static constexpr int kMaxBranches = 8;  // nodes of continuations in a pass

  const int places_;  // requests at once, those for high priority included
  const std::shared_ptr<Executor> executor_;
  PrefixCache prefixes_;
  const std::size_t kv_limit_;
  const bool borrowed_;  // the sequences are sessions'

  // Of the thread that computes.
  std::vector<std::unique_ptr<Running>> running_;
  std::vector<StepItem> items_;
  std::vector<Owner> owners_;  // of items_
  std::vector<std::pair<Running*, StepItem*>> sampling_;
  PrefixCache::Pages pages_;
  std::timed_mutex turn_;  // inline: held by the thread that computes a pass

  mutable std::mutex mutex_;
  std::condition_variable work_, idle_;
  // With mutex_ held.
  std::deque<RequestPointer> high_, normal_;
  int running_high_ = 0, running_normal_ = 0;
  bool draining_ = false, stop_ = false;
  std::set<std::vector<Token>> pinned_;
  Engine::Counters counters_;

  std::atomic<bool> cancel_all_{false};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace qwen::runtime
