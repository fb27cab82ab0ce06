#include "qwen-serve/admission.h"

#include <algorithm>
#include <cmath>

#include "qwen-serve/api_error.h"

namespace qwen_serve {
namespace {

constexpr int kMaxRetryAfter = 60;

}  // namespace

// The seconds in which as many requests as fit will have been computed, at the pace of the last ones.
int Admission::retry_after() const {
  const double waves = static_cast<double>(limit_) / parallel_;
  return std::clamp(static_cast<int>(std::ceil(waves * mean_seconds_)), 1, kMaxRetryAfter);
}

Admission::Ticket::Ticket(Admission& admission, const std::string& client, int places)
    : admission_(admission), client_(client), places_(places) {
  const std::lock_guard lock(admission_.mutex_);
  if (admission_.closed_) throw ApiError(503, "shutting_down", "the server is shutting down");
  const auto found = admission_.taken_by_client_.find(client);
  const int mine = found == admission_.taken_by_client_.end() ? 0 : found->second;
  std::string why;
  if (admission_.taken_ + places_ > admission_.limit_)
    why = "the server is busy: " + std::to_string(admission_.taken_) + " of " +
          std::to_string(admission_.limit_) + " places are taken; try again later";
  else if (mine > 0 && mine + places_ > admission_.client_limit())
    why = "this client has " + std::to_string(mine) + " requests under way, of at most " +
          std::to_string(admission_.client_limit()) + "; try again later";
  if (!why.empty()) {
    ApiError full(503, "queue_full", why);
    full.retry_after_seconds = admission_.retry_after();
    throw full;
  }
  admission_.taken_ += places_;
  admission_.taken_by_client_[client] += places_;
}

Admission::Ticket::~Ticket() {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::lock_guard lock(admission_.mutex_);
  admission_.taken_ -= places_;
  const auto mine = admission_.taken_by_client_.find(client_);
  if ((mine->second -= places_) == 0) admission_.taken_by_client_.erase(mine);
  // `seconds` includes the wait in the queue: dividing by its length gives about the time of computing.
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
