// The pool: everybody runs, barriers hold, callers take turns, and nobody spins for nothing.
#include <catch2/catch.hpp>
#include <chrono>
#include <ctime>

#include "base/thread_pool.h"
#include "support/model_cases.h"

using namespace qwen;
using test::check_error;

TEST_CASE("each thread of the pool runs the body once", "[base]") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    CHECK(pool.size() == threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<int> calls(static_cast<std::size_t>(threads), 0);
      pool.run([&](int thread) { ++calls[static_cast<std::size_t>(thread)]; });
      for (const int n : calls) REQUIRE(n == 1);
    }
  }
  for (const int bad : {0, -1, 1025})
    check_error(ErrorCode::invalid_argument, "threads: expected 1 to 1024", [&] { ThreadPool pool(bad); });
}

TEST_CASE("no thread passes a barrier before all have come", "[base]") {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    constexpr int kRounds = 300;
    std::vector<int> steps(static_cast<std::size_t>(threads), 0);  // plain ints: the barrier orders them
    std::atomic<int> wrong{0};
    const std::uint64_t before = pool.barriers();
    pool.run([&](int thread) {
      for (int round = 1; round <= kRounds; ++round) {
        steps[static_cast<std::size_t>(thread)] = round;
        pool.barrier();
        for (const int step : steps) wrong += step != round;
        pool.barrier();
      }
    });
    CHECK(wrong == 0);
    CHECK(pool.barriers() - before == 2 * kRounds);
  }
}

TEST_CASE("concurrent callers take turns", "[base]") {
  ThreadPool pool(3);
  std::atomic<int> running{0}, wrong{0};
  int total = 0;  // guarded by the turns
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round)
        pool.run([&](int thread) {
          if (thread == 0 && running.fetch_add(1) != 0) ++wrong;
          pool.barrier();
          if (thread == 1) ++total;
          pool.barrier();
          if (thread == 0) running.fetch_sub(1);
        });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
  CHECK(total == 300);
}

TEST_CASE("an idle pool sleeps", "[base]") {
  ThreadPool pool(4, /*pin=*/true);
  pool.run([](int) {});
  const auto cpu_seconds = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the spinning before the sleep
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  // One spinning thread would use 0.2 s where it has a core of its own.
  CHECK(cpu_seconds() - before < 0.02);
}

TEST_CASE("pools can be created and destroyed repeatedly", "[base]") {
  for (int round = 0; round < 50; ++round) {
    const int threads = 1 + round % 4;
    const bool used = round % 3 != 0;  // some are destroyed without a run
    std::atomic<int> runs{0}, missing{0};
    {
      ThreadPool pool(threads);
      if (used)
        pool.run([&](int) {
          ++runs;
          pool.barrier();
          missing += runs != threads;  // after the barrier every thread has run
        });
    }
    CHECK(runs == (used ? threads : 0));
    CHECK(missing == 0);
  }
}
