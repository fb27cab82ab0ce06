#include "qwen/result_cache.h"

#include <iterator>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

namespace qwen {

struct ResultStore::State {
  using Clock = std::chrono::steady_clock;
  struct Entry {
    std::string key;
    std::shared_ptr<const void> value;
    std::size_t bytes;
    Clock::time_point expires;
  };
  using Entries = std::list<Entry>;

  void remove(Entries::iterator entry) {
    bytes -= entry->bytes;
    index.erase(entry->key);
    entries.erase(entry);
  }

  const ResultCacheOptions options;
  std::mutex mutex;
  Entries entries;                                                // most recently used first
  std::unordered_map<std::string_view, Entries::iterator> index;  // keys point into entries
  std::size_t bytes = 0;
  ResultCacheCounters counters;
};

ResultStore::ResultStore(const ResultCacheOptions& options) : state_(new State{options, {}, {}, {}, 0, {}}) {}
ResultStore::~ResultStore() = default;

std::shared_ptr<const void> ResultStore::find(std::string_view key) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const auto found = s.index.find(key);
  if (found == s.index.end()) {
    ++s.counters.misses;
    return nullptr;
  }
  if (State::Clock::now() >= found->second->expires) {
    s.remove(found->second);
    ++s.counters.expired;
    ++s.counters.misses;
    return nullptr;
  }
  ++s.counters.hits;
  s.entries.splice(s.entries.begin(), s.entries, found->second);
  return found->second->value;
}

void ResultStore::insert(std::string_view key, std::shared_ptr<const void> value, std::size_t value_bytes) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  if (const auto found = s.index.find(key); found != s.index.end()) s.remove(found->second);
  const std::size_t size = key.size() + value_bytes;
  if (size > s.options.bytes || s.options.entries == 0) return;
  while (s.entries.size() >= s.options.entries || s.bytes + size > s.options.bytes) {
    s.remove(std::prev(s.entries.end()));
    ++s.counters.evictions;
  }
  // A time to live beyond the clock's range never expires.
  const auto now = State::Clock::now();
  const bool forever = s.options.time_to_live >= std::chrono::duration_cast<std::chrono::milliseconds>(
                                                     State::Clock::time_point::max() - now);
  s.entries.push_front({std::string(key), std::move(value), size,
                        forever ? State::Clock::time_point::max() : now + s.options.time_to_live});
  s.index.emplace(s.entries.front().key, s.entries.begin());
  s.bytes += size;
}

void ResultStore::clear() {
  const std::lock_guard lock(state_->mutex);
  state_->index.clear();
  state_->entries.clear();
  state_->bytes = 0;
}

ResultCacheCounters ResultStore::counters() const {
  const std::lock_guard lock(state_->mutex);
  ResultCacheCounters out = state_->counters;
  out.entries = state_->entries.size();
  out.bytes = state_->bytes;
  return out;
}

}  // namespace qwen
