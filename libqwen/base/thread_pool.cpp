#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

#include <system_error>

#include "base/cpu.h"
#include "base/fail.h"

namespace qwen {
namespace {

// About 40 microseconds: longer than the gaps inside a forward pass.
constexpr int kSpins = 4000;

void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // about as long as x86's pause; `yield` does not wait on most cores
#endif
}

// Sleeps unless `value` differs from `old`; may return early.
template <class T>
void sleep_on(const std::atomic<T>& value, T old) noexcept {
#if defined(__linux__)
  // Not std::atomic::wait: libstdc++'s calls sched_yield first, which gives the core to any other process for a whole
  // time slice.
  static_assert(sizeof value == 4);
  ::syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
#else
  value.wait(old, std::memory_order_seq_cst);
#endif
}

template <class T>
void wake_all(std::atomic<T>& value) noexcept {
#if defined(__linux__)
  ::syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
  value.notify_all();
#endif
}

}  // namespace

// Waits until `value` is no longer `old`: spins, then sleeps. A thread counts itself as a sleeper before it compares
// the value for the last time, and wake() reads the count after the value has changed: both sequentially consistent, so
// that one of them sees the other.
template <class T>
void ThreadPool::wait_while_equal(const std::atomic<T>& value, T old) noexcept {
  for (int i = 0; i < spins_; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_cpu();
  }
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while (value.load(std::memory_order_seq_cst) == old) sleep_on(value, old);
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

// Called after a sequentially consistent change of `value`.
template <class T>
void ThreadPool::wake(std::atomic<T>& value) noexcept {
  if (sleepers_.load(std::memory_order_seq_cst) != 0) wake_all(value);
}

ThreadPool::ThreadPool(int threads, bool pin)
    : size_(threads), spins_(threads <= default_threads() ? kSpins : 0) {
  if (threads < 1 || threads > 1024)
    fail(ErrorCode::invalid_argument, "threads: expected 1 to 1024, found ", threads);
  const std::vector<int> cores = pin ? physical_core_cpus() : std::vector<int>{};
  workers_.reserve(static_cast<std::size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) {
    try {
      workers_.emplace_back([this, i] { worker(i); });
    } catch (const std::system_error& error) {
      stop();  // joins the started ones: destroying a joinable thread ends the process
      fail(ErrorCode::out_of_memory, "cannot start thread ", i + 1, " of ", threads, ": ",
           error.code().message());
    } catch (...) {
      stop();
      throw;
    }
    if (pin) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(static_cast<std::size_t>(cores[static_cast<std::size_t>(i) % cores.size()]), &set);
      ::pthread_setaffinity_np(workers_.back().native_handle(), sizeof set, &set);
    }
  }
}

ThreadPool::~ThreadPool() {
  if (process_.forked())
    new std::vector<std::thread>(
        std::move(workers_));  // these threads belong to the parent process: never joined
  else
    stop();
}

void ThreadPool::stop() noexcept {
  stop_.store(true, std::memory_order_relaxed);
  job_.fetch_add(1, std::memory_order_seq_cst);
  wake(job_);
  for (std::thread& worker : workers_)
    if (worker.joinable()) worker.join();
}

void ThreadPool::run_erased(Function function, void* context) {
  if (size_ > 1) process_.require_same("thread pool");
  const std::lock_guard<std::mutex> lock(turn_);
  function_ = function;
  context_ = context;
  pending_.store(size_ - 1, std::memory_order_relaxed);
  job_.fetch_add(1, std::memory_order_seq_cst);
  wake(job_);
  function(context, 0);
  for (int left = pending_.load(std::memory_order_acquire); left != 0;
       left = pending_.load(std::memory_order_acquire))
    wait_while_equal(pending_, left);
}

void ThreadPool::worker(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    wait_while_equal(job_, seen);
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    function_(context_, thread);
    if (pending_.fetch_sub(1, std::memory_order_seq_cst) == 1) wake(pending_);
  }
}

void ThreadPool::barrier() noexcept {
  if (size_ == 1) {
    barrier_phase_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::uint32_t phase = barrier_phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    barrier_phase_.fetch_add(1, std::memory_order_seq_cst);
    wake(barrier_phase_);
  } else {
    wait_while_equal(barrier_phase_, phase);
  }
}

}  // namespace qwen
