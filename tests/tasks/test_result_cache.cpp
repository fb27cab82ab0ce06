#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "qwen/result_cache.h"

using qwen::ResultCache;
using qwen::ResultCacheOptions;

TEST_CASE("the result cache evicts the least recently used entry", "[tasks]") {
  ResultCache<std::string> cache({.entries = 2});
  CHECK(!cache.find("a"));
  cache.insert("a", "1", 1);
  cache.insert("b", "2", 1);
  CHECK(cache.find("a") == "1");
  cache.insert("c", "3", 1);  // b is the oldest now
  CHECK(!cache.find("b"));
  CHECK(cache.find("a") == "1");
  CHECK(cache.find("c") == "3");
  cache.insert("a", "new", 3);
  CHECK(cache.find("a") == "new");
  const auto counters = cache.counters();
  CHECK(counters.hits == 4);
  CHECK(counters.misses == 2);
  CHECK(counters.evictions == 1);
  CHECK(counters.entries == 2);
  CHECK(counters.bytes == 1 + 1 + 1 + 3);
  cache.clear();
  CHECK(cache.counters().entries == 0);
  CHECK(cache.counters().bytes == 0);
  CHECK(!cache.find("a"));
}

TEST_CASE("the result cache keeps to its bytes", "[tasks]") {
  ResultCache<int> cache({.entries = 100, .bytes = 100});
  cache.insert("a", 1, 49);
  cache.insert("b", 2, 49);
  CHECK(cache.counters().bytes == 100);
  cache.insert("c", 3, 10);
  CHECK(!cache.find("a"));
  CHECK(cache.find("b") == 2);
  cache.insert("huge", 4, 100);
  CHECK(!cache.find("huge"));
  CHECK(cache.find("b") == 2);
  ResultCache<int> none({.entries = 0});
  none.insert("a", 1, 1);
  CHECK(!none.find("a"));
}

TEST_CASE("entries of the result cache expire", "[tasks]") {
  ResultCache<int> cache({.time_to_live = std::chrono::milliseconds(1)});
  cache.insert("a", 1, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  CHECK(!cache.find("a"));
  CHECK(cache.counters().expired == 1);
  CHECK(cache.counters().entries == 0);
  ResultCache<int> forever({.time_to_live = std::chrono::milliseconds::max()});
  forever.insert("a", 2, 1);
  CHECK(forever.find("a") == 2);
}

TEST_CASE("keys of the result cache are compared byte by byte", "[tasks]") {
  ResultCache<int> cache;
  const std::string zero("a\0b", 3), other("a\0c", 3);
  cache.insert(zero, 1, 1);
  CHECK(cache.find(zero) == 1);
  CHECK(!cache.find(other));
  CHECK(!cache.find("a"));
}

TEST_CASE("the result cache serves many threads", "[tasks]") {
  ResultCache<std::string> cache({.entries = 50});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        const std::string key = std::to_string((i * 7 + t) % 80);
        if (const auto value = cache.find(key))
          wrong += *value != "v" + key;
        else
          cache.insert(key, "v" + key, 8);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto counters = cache.counters();
  CHECK(wrong == 0);
  CHECK(counters.hits + counters.misses == 20000);
  CHECK(counters.entries <= 50);
}
