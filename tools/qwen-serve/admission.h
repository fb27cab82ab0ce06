// Who may ask, how often, and how many at once.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qwen_serve {

// API keys, compared in a time that does not tell how much of a key was right.
class ApiKeys {
 public:
  // From a file, one a line ('#' begins a comment), and from a list that commas divide. Error(bad_format) for
  // a key that is too short or holds white space; Error(io) for a file that cannot be read.
  ApiKeys(const std::string& path, std::string_view list);
  bool required() const noexcept { return !keys_.empty(); }
  std::size_t count() const noexcept { return keys_.size(); }
  // The number of the key, or -1.
  int find(std::string_view key) const noexcept;

 private:
  void add(std::string_view key, const std::string& where);
  std::vector<std::string> keys_;
};

// A token bucket for each client: `per_minute` at once, and as many more in each minute.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  explicit RateLimiter(int per_minute, std::function<Clock::time_point()> now = Clock::now)
      : per_minute_(per_minute), now_(std::move(now)) {}
  // 0: go ahead; else the seconds to wait for.
  int take(const std::string& client);

 private:
  struct Bucket {
    std::string client;
    double tokens;
    Clock::time_point filled;
  };
  int per_minute_;
  std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  std::list<Bucket> buckets_;  // the one used last first
  std::unordered_map<std::string, std::list<Bucket>::iterator> index_;
};

// Requests that are let in to use the model: computed or waiting.
class Admission {
 public:
  Admission(int parallel, int queue) : parallel_(parallel), limit_(parallel + queue) {}

  class Ticket {
   public:
    // ApiError 503 with Retry-After where all places are taken or the server is shutting down.
    Ticket(Admission& admission, int places);
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    Admission& admission_;
    int places_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };

  void close();  // no more tickets
  bool closed() const;
  // Waits until all tickets are back.
  bool wait(std::chrono::milliseconds time);
  int taken() const;
  int limit() const noexcept { return limit_; }

 private:
  int parallel_, limit_;
  mutable std::mutex mutex_;
  std::condition_variable returned_;
  int taken_ = 0;
  bool closed_ = false;
  double mean_seconds_ = 1;  // of a request, over the last few
};

}  // namespace qwen_serve
