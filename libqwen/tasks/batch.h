// Many texts on an engine: a few at once, results in the order of the texts.
#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "qwen/callback.h"
#include "qwen/engine.h"
#include "qwen/error.h"
#include "tasks/clock.h"
#include "tasks/prompt.h"

namespace qwen::tasks {

// A text that the engine computes.
struct PendingText {
  explicit PendingText(std::size_t at) : index(at) {}
  PendingText(PendingText&&) = delete;
  ~PendingText() { end_job(); }
  // Callbacks of the request may use this object until its job has ended: a derived class calls this in its destructor.
  void end_job() noexcept {
    if (!job) return;
    job.cancel();
    try {
      job.result();
    } catch (...) {  // nobody asks for it any more
    }
    job = {};
  }
  const std::size_t index;
  Prompt prompt{};
  double seconds = 0;  // before it was submitted
  EngineJob job{};
};

// What is done with each text. `Pending` is a PendingText.
template <class Pending, class Result>
struct BatchSteps {
  std::function<bool(std::size_t index, Result&)> find_known;  // true: there is no need to compute it
  std::function<Prompt(std::size_t index)> make_prompt;
  std::function<void(Pending&)> submit;
  std::function<Result(Pending&)> finish;
};

// `on_result` gets each result as soon as it and all before it are known; returning false ends the call with the results
// so far. If the engine has no room for more, an earlier text is waited for.
template <class Pending, class Result>
std::vector<Result> run_batch(const Engine& engine, std::size_t count,
                              const BatchSteps<Pending, Result>& steps,
                              const Callback<std::size_t, const Result&>& on_result) {
  const auto at_once = static_cast<std::size_t>(engine.options().max_sequences) + 2;
  std::vector<Result> results(count);
  std::size_t reported = 0;
  std::deque<std::unique_ptr<Pending>> pending;
  // All results before `end` are known. False: the caller wants no more.
  const auto report = [&](std::size_t end) {
    while (reported < end) {
      const std::size_t index = reported++;
      if (!on_result(index, results[index])) return false;
    }
    return true;
  };
  const auto finish_first = [&] {
    const std::size_t index = pending.front()->index;
    results[index] = steps.finish(*pending.front());
    pending.pop_front();
    return report(index + 1);
  };
  const auto compute_all = [&] {
    for (std::size_t i = 0; i < count; ++i) {
      if (steps.find_known(i, results[i])) {
        if (pending.empty() && !report(i + 1)) return;
        continue;
      }
      const auto start = Clock::now();
      auto next = std::make_unique<Pending>(i);
      next->prompt = steps.make_prompt(i);
      next->seconds = seconds_since(start);
      if (pending.size() >= at_once && !finish_first()) return;
      while (!next->job) {
        try {
          steps.submit(*next);
        } catch (const Error& error) {
          if (error.code() != ErrorCode::busy || pending.empty()) throw;
          if (!finish_first()) return;
        }
      }
      pending.push_back(std::move(next));
    }
    while (!pending.empty())
      if (!finish_first()) return;
    report(count);
  };
  compute_all();
  results.resize(reported);
  return results;
}

}  // namespace qwen::tasks
