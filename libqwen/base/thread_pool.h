// Threads that run one function together, with barriers inside it.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/process.h"

namespace qwen {

// run(body) calls body(thread) once on each of size() threads, the caller's being thread 0, and returns when
// all are done. Inside body, barrier() waits for all of them. One run at a time: concurrent callers take
// turns. Waiting threads spin briefly and then sleep, so an idle pool uses no CPU.
class ThreadPool {
 public:
  // threads >= 1. `pin` binds worker i to the i-th physical core that this process may use; the caller's thread
  // is not bound. Throws out_of_memory if the system refuses a thread.
  explicit ThreadPool(int threads, bool pin = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept { return size_; }

  // `body` must not throw and must not call run. Throws Error(unsupported) in a forked process, which has none of the
  // pool's threads.
  template <class Body>
  void run(Body&& body) {
    run_erased(
        [](void* context, int thread) { (*static_cast<std::remove_reference_t<Body>*>(context))(thread); },
        &body);
  }

  // Every thread of the current run must call it the same number of times.
  void barrier() noexcept;
  // Barriers passed since the pool was created: for tests.
  std::uint64_t barriers() const noexcept { return barrier_phase_.load(std::memory_order_relaxed); }

 private:
  using Function = void (*)(void* context, int thread);
  void run_erased(Function function, void* context);
  void worker(int thread);
  void stop() noexcept;
  template <class T>
  void wait_while_equal(const std::atomic<T>& value, T old) noexcept;
  template <class T>
  void wake(std::atomic<T>& value) noexcept;

  const int size_;
  const int spins_;  // before sleeping; 0 if there are more threads than cores
  std::mutex turn_;
  Function function_ = nullptr;
  void* context_ = nullptr;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<int> sleepers_{0};
  alignas(64) std::atomic<std::uint32_t> job_{0};
  alignas(64) std::atomic<int> pending_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> barrier_phase_{0};
  const ProcessCheck process_;
  std::vector<std::thread> workers_;
};

}  // namespace qwen
