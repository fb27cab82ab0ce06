#include "qwen-serve/worker_pool.h"

#include <algorithm>

#include "qwen/error.h"

namespace qwen_serve {
namespace {

// Handlers keep no large objects on the stack; JSON is at most 32 levels deep. Sanitizers need more.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes = 4 << 20;
#else
constexpr std::size_t kStackBytes = 512 << 10;
#endif

}  // namespace

WorkerPool::WorkerPool(int max_threads, std::chrono::milliseconds idle_time)
    : max_threads_(max_threads), idle_time_(idle_time) {
  const std::lock_guard lock(mutex_);
  if (!start_thread()) throw qwen::Error(qwen::ErrorCode::io, "cannot start a thread");
}

WorkerPool::~WorkerPool() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  while (!idle_.empty()) wake_one();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

bool WorkerPool::start_thread() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  ++threads_;
  const bool started = ::pthread_create(&thread, &attributes, enter, this) == 0;
  ::pthread_attr_destroy(&attributes);
  if (!started) {
    --threads_;
    ++failed_starts_;
  }
  return started;
}

void WorkerPool::submit(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  if (!idle_.empty())
    wake_one();
  else if (threads_ < max_threads_)
    start_thread();
}

void WorkerPool::wake_one() {
  IdleThread& thread = *idle_.back();
  idle_.pop_back();
  thread.woken = true;
  thread.wake.notify_one();
}

void* WorkerPool::enter(void* pool) {
  static_cast<WorkerPool*>(pool)->run();
  return nullptr;
}

void WorkerPool::run() {
  IdleThread self;
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!jobs_.empty()) {
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
    if (stop_) break;
    self.woken = false;
    idle_.push_back(&self);
    if (self.wake.wait_for(lock, idle_time_, [&] { return self.woken; })) continue;
    idle_.erase(std::find(idle_.begin(), idle_.end(), &self));
    if (threads_ > 1) break;
  }
  --threads_;
  ended_.notify_all();  // with the lock held: the destructor goes on only after this thread has left it
}

}  // namespace qwen_serve
