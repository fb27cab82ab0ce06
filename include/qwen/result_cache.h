// A cache of answers for repeated requests.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "qwen/export.h"

namespace qwen {

// Limits of a cache.
struct ResultCacheOptions {
  std::size_t entries = 10000;                                     // at most
  std::size_t bytes = std::size_t{64} << 20;                       // of keys and values, at most
  std::chrono::milliseconds time_to_live = std::chrono::hours(1);  // of an entry, from insert()
};

// How a cache was used.
struct ResultCacheCounters {
  std::uint64_t hits = 0, misses = 0;        // calls of find(); an expired entry is a miss
  std::uint64_t evictions = 0, expired = 0;  // entries removed for room; found too late
  std::size_t entries = 0, bytes = 0;        // at this moment
};

// ResultCache without the type of its values.
class QWEN_API ResultStore {
 public:
  explicit ResultStore(const ResultCacheOptions& options);  // empty
  ResultStore(ResultStore&&) = delete;
  ~ResultStore();
  std::shared_ptr<const void> find(std::string_view key);  // null if there is none or it has expired
  // As ResultCache::insert().
  void insert(std::string_view key, std::shared_ptr<const void> value, std::size_t value_bytes);
  void clear();                          // counters are kept
  ResultCacheCounters counters() const;  // since the constructor

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// An exact cache: keys are compared byte by byte, so a request never gets another request's answer. Least recently used
// entries are evicted first. Use it for reproducible answers only: greedy, scored or seeded. Safe from many threads.
template <class Value>
class ResultCache {
 public:
  explicit ResultCache(const ResultCacheOptions& options = {}) : store_(options) {}  // empty

  // The value, unless there is none or it has expired.
  std::optional<Value> find(std::string_view key) {
    const auto value = std::static_pointer_cast<const Value>(store_.find(key));
    return value ? std::optional<Value>(*value) : std::nullopt;
  }
  // Inserts or replaces a value. `value_bytes` is the memory that it holds. A value larger than the whole cache is not
  // kept.
  void insert(std::string_view key, Value value, std::size_t value_bytes) {
    store_.insert(key, std::make_shared<const Value>(std::move(value)), value_bytes);
  }
  void clear() { store_.clear(); }                         // counters are kept
  using Counters = ResultCacheCounters;                    // the same for every type of value
  Counters counters() const { return store_.counters(); }  // since the constructor

 private:
  ResultStore store_;
};

}  // namespace qwen
