#include "qwen-serve/admission.h"

#include <algorithm>
#include <cmath>

#include "common/encoding.h"
#include "common/output.h"
#include "qwen-serve/api_error.h"

namespace qwen_serve {
namespace {

constexpr std::size_t kShortestKey = 8;
constexpr std::size_t kMaxClients = 10000;
constexpr int kLongestRetry = 60;

bool same(std::string_view given, std::string_view key) noexcept {
  volatile unsigned difference = given.size() == key.size() ? 0u : 1u;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    difference = difference | static_cast<unsigned>(static_cast<unsigned char>(c ^ key[i]));
  }
  return difference == 0;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

ApiKeys::ApiKeys(const std::string& path, std::string_view list) {
  if (!path.empty()) {
    const std::string text = tools::to_utf8(tools::read_file(path), tools::Encoding::utf8, path);
    int line_number = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = trimmed(std::string_view(text).substr(at, end - at));
      at = end + 1;
      ++line_number;
      if (!line.empty() && line.front() != '#') add(line, path + ":" + std::to_string(line_number));
    }
    // A server that was told to ask for keys must not run open because the file is empty.
    if (keys_.empty()) throw qwen::Error(qwen::ErrorCode::bad_format, path + ": holds no API key");
  }
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (const auto key = trimmed(list.substr(at, end - at)); !key.empty()) add(key, "LIBQWEN_API_KEY");
    at = end + 1;
  }
}

void ApiKeys::add(std::string_view key, const std::string& where) {
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!printable || key.size() < kShortestKey)
    throw qwen::Error(qwen::ErrorCode::bad_format,
                      where + ": an API key is " + std::to_string(kShortestKey) +
                          " or more printable ASCII characters without white space");
  keys_.emplace_back(key);
}

int ApiKeys::find(std::string_view key) const noexcept {
  int found = -1;
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (same(key, keys_[i])) found = static_cast<int>(i);
  return found;
}

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

Admission::Ticket::Ticket(Admission& admission, int places) : admission_(admission), places_(places) {
  const std::lock_guard lock(admission_.mutex_);
  if (admission_.closed_) throw ApiError(503, "shutting_down", "the server is shutting down");
  if (admission_.taken_ + places_ > admission_.limit_) {
    ApiError full(503, "queue_full",
                  "the server is busy: " + std::to_string(admission_.taken_) +
                      " requests are being computed or wait; try again later");
    // The time in which as many as now wait will have been computed, at the pace of the last requests.
    const double waves = static_cast<double>(admission_.limit_) / admission_.parallel_;
    full.retry_after_seconds =
        std::clamp(static_cast<int>(std::ceil(waves * admission_.mean_seconds_)), 1, kLongestRetry);
    throw full;
  }
  admission_.taken_ += places_;
}

Admission::Ticket::~Ticket() {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::lock_guard lock(admission_.mutex_);
  admission_.taken_ -= places_;
  // Time in the queue is a part of it: what remains is near the time of computing where the queue is short.
  const double waves = std::max(1.0, static_cast<double>(admission_.taken_) / admission_.parallel_);
  admission_.mean_seconds_ += 0.1 * (seconds / waves - admission_.mean_seconds_);
  admission_.returned_.notify_all();
}

void Admission::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

bool Admission::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool Admission::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return returned_.wait_for(lock, time, [this] { return taken_ == 0; });
}

int Admission::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

}  // namespace qwen_serve
