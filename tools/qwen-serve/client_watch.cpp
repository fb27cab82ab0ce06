#include "qwen-serve/client_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "qwen/error.h"

namespace qwen_serve {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kRetry{50};

}  // namespace

ClientWatch::ClientWatch() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (event_ < 0) throw qwen::Error(qwen::ErrorCode::io, "eventfd: no file descriptor left");
  thread_ = std::thread([this] { run(); });
}

ClientWatch::~ClientWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake();
  thread_.join();
  ::close(event_);
}

void ClientWatch::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);  // full: it is awake anyway
}

ClientWatch::Guard::Guard(ClientWatch& watch, int fd, std::chrono::milliseconds timeout)
    : watch_(watch), entry_(std::make_shared<Entry>()) {
  entry_->fd = fd;
  entry_->deadline = Clock::now() + timeout;
  {
    const std::lock_guard lock(watch_.mutex_);
    watch_.entries_.push_front(entry_);
    place_ = watch_.entries_.begin();
    if (watch_.cancel_all_) {
      entry_->ended = Ended::shutdown;
      entry_->token.cancel();
    }
  }
  watch_.wake();
}

ClientWatch::Guard::~Guard() {
  {
    const std::lock_guard lock(watch_.mutex_);
    watch_.entries_.erase(place_);
  }
  watch_.wake();  // the descriptor may be closed next; poll must not go on with it
}

void ClientWatch::cancel_all() {
  const std::lock_guard lock(mutex_);
  cancel_all_ = true;
  for (const auto& entry : entries_) {
    if (entry->ended == Ended::no) entry->ended = Ended::shutdown;
    entry->token.cancel();
  }
}

void ClientWatch::run() {
  std::vector<pollfd> items;
  std::vector<std::shared_ptr<Guard::Entry>> watched;
  for (;;) {
    items.assign(1, pollfd{event_, POLLIN, 0});
    watched.clear();
    const Clock::time_point now = Clock::now();
    Clock::time_point first = now + std::chrono::hours(1);
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      for (const auto& entry : entries_) {
        if (entry->ended != Ended::no) continue;
        if (entry->deadline <= now) {
          entry->ended = Ended::timed_out;
          entry->token.cancel();
          continue;
        }
        first = std::min(first, entry->deadline);
        items.push_back({entry->fd, POLLRDHUP, 0});
        watched.push_back(entry);
      }
    }
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(first - now).count() + 1;
    if (::poll(items.data(), items.size(), static_cast<int>(wait)) < 0) {
      // ENOMEM, or more items than RLIMIT_NOFILE: deadlines must go on, and the next poll may succeed.
      if (errno != EINTR) std::this_thread::sleep_for(kRetry);
      continue;
    }
    std::uint64_t count = 0;
    [[maybe_unused]] const auto drained = ::read(event_, &count, sizeof count);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if ((items[i + 1].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0) continue;
      // A descriptor that was closed and given anew between poll and here belongs to an entry that is gone.
      if (std::find(entries_.begin(), entries_.end(), watched[i]) == entries_.end()) continue;
      if (watched[i]->ended == Ended::no) watched[i]->ended = Ended::client_gone;
      watched[i]->token.cancel();
    }
  }
}

}  // namespace qwen_serve
