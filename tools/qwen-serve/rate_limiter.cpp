#include "qwen-serve/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace qwen_serve {
namespace {

constexpr std::size_t kMaxClients = 10000;

}  // namespace

int RateLimiter::take(const std::string& client) {
  if (per_minute_ <= 0) return 0;
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = now_();
  const auto found = index_.find(client);
  if (found == index_.end()) {
    if (buckets_.size() >= kMaxClients) {
      index_.erase(buckets_.back().client);
      buckets_.pop_back();
    }
    buckets_.push_front({client, static_cast<double>(per_minute_), now});
    index_[client] = buckets_.begin();
  } else {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  }
  Bucket& bucket = buckets_.front();
  const double per_second = per_minute_ / 60.0;
  bucket.tokens = std::min<double>(
      per_minute_, bucket.tokens + std::chrono::duration<double>(now - bucket.filled).count() * per_second);
  bucket.filled = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return 0;
  }
  return std::max(1, static_cast<int>(std::ceil((1 - bucket.tokens) / per_second)));
}

}  // namespace qwen_serve
