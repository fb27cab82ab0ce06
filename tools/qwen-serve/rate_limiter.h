// A token bucket for each client: `per_minute` requests at once, refilled over a minute.
#pragma once
#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

namespace qwen_serve {

class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  // 0 a minute: no limit.
  explicit RateLimiter(int per_minute, std::function<Clock::time_point()> now = Clock::now)
      : per_minute_(per_minute), now_(std::move(now)) {}
  // 0 if the request may go on, else the seconds to wait.
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
  std::list<Bucket> buckets_;  // most recently used first, at most 10,000
  std::unordered_map<std::string, std::list<Bucket>::iterator> index_;
};

}  // namespace qwen_serve
