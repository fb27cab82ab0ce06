// Answers kept for requests that come again.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace qwen {

struct ResultCacheOptions {                                        // bounds
  std::size_t entries = 10000;                                     // at most
  std::size_t bytes = std::size_t{64} << 20;                       // keys and values
  std::chrono::milliseconds time_to_live = std::chrono::hours(1);  // of an entry, from put()
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;  // the clock
};

// An exact cache: keys are compared byte by byte, so an answer is never another request's. The least recently
// used entry goes first. Only for answers that the same request would get again: greedy, scored or seeded.
// Safe from many threads.
template <class Value>
class ResultCache {
 public:
  explicit ResultCache(ResultCacheOptions options = {}) : options_(std::move(options)) {}  // an empty one

  std::optional<Value> find(std::string_view key) {  // the value, where there is a fresh one
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) {
      ++counters_.misses;
      return std::nullopt;
    }
    if (options_.now() >= found->second->expires) {
      remove(found->second);
      ++counters_.expired;
      ++counters_.misses;
      return std::nullopt;
    }
    ++counters_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  // Keeps a value in the place of what the key had. `value_bytes` is the memory that it holds. What is larger
  // than the whole cache is not kept.
  void put(std::string_view key, Value value, std::size_t value_bytes) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) remove(found->second);
    const std::size_t size = key.size() + value_bytes;
    if (size > options_.bytes || options_.entries == 0) return;
    while (entries_.size() >= options_.entries || bytes_ + size > options_.bytes) {
      remove(std::prev(entries_.end()));
      ++counters_.evictions;
    }
    entries_.push_front({std::string(key), std::move(value), size, options_.now() + options_.time_to_live});
    index_.emplace(entries_.front().key, entries_.begin());
    bytes_ += size;
  }

  void clear() {  // forgets all entries; counters go on
    const std::lock_guard lock(mutex_);
    index_.clear();
    entries_.clear();
    bytes_ = 0;
  }

  struct Counters {                                                  // what it has done
    std::uint64_t hits = 0, misses = 0, evictions = 0, expired = 0;  // so far
    std::size_t entries = 0, bytes = 0;                              // now
  };
  Counters counters() const {
    const std::lock_guard lock(mutex_);
    Counters out = counters_;
    out.entries = entries_.size();
    out.bytes = bytes_;
    return out;
  }

 private:
  struct Entry {
    std::string key;
    Value value;
    std::size_t bytes;
    std::chrono::steady_clock::time_point expires;
  };
  using Entries = std::list<Entry>;

  void remove(typename Entries::iterator entry) {
    bytes_ -= entry->bytes;
    index_.erase(entry->key);
    entries_.erase(entry);
  }

  ResultCacheOptions options_;
  mutable std::mutex mutex_;
  Entries entries_;                                                         // most recently used first
  std::unordered_map<std::string_view, typename Entries::iterator> index_;  // keys point into entries_
  std::size_t bytes_ = 0;
  Counters counters_;
};

}  // namespace qwen
