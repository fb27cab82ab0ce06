// A bounded set of threads that starts on demand and shrinks when idle.
#pragma once
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace qwen_serve {

class WorkerPool {
 public:
  // Starts one thread, which stays: work goes on even if the system refuses further threads. Throws io if it
  // cannot be started.
  WorkerPool(int max_threads, std::chrono::milliseconds idle_time);
  ~WorkerPool();  // runs the queued jobs, then joins
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs `job` on a free thread, on a new one, or when a thread becomes free. Never blocks.
  void submit(std::function<void()> job);
  int threads() const noexcept { return threads_; }
  // Threads that the system refused to start.
  long failed_starts() const noexcept { return failed_starts_; }

 private:
  static void* enter(void* pool);
  bool start_thread();  // with mutex_ held
  void wake_one();      // with mutex_ held
  void run();

  const int max_threads_;
  const std::chrono::milliseconds idle_time_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> jobs_;
  // Threads without a job, the one that became free last at the end: it gets the next job, so that the others
  // reach their idle time even if a few requests come all the time.
  struct IdleThread {
    std::condition_variable wake;
    bool woken = false;
  };
  std::vector<IdleThread*> idle_;
  bool stop_ = false;
  std::atomic<int> threads_{0};
  std::atomic<long> failed_starts_{0};
};

}  // namespace qwen_serve
