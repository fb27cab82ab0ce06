// Cancels the work of clients that have gone away, and of requests that take too long.
#pragma once
#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "qwen/generate.h"

namespace qwen_serve {

// Why a request's work was cancelled.
enum class Ended { no, client_gone, timed_out, shutdown };

// One thread that waits on all clients whose requests are being worked on.
class ClientWatch {
 public:
  ClientWatch();
  ~ClientWatch();
  ClientWatch(const ClientWatch&) = delete;
  ClientWatch& operator=(const ClientWatch&) = delete;

  class Guard {
   public:
    Guard(ClientWatch& watch, int fd, std::chrono::milliseconds timeout);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    const qwen::CancelToken& token() const noexcept { return entry_->token; }
    Ended ended() const noexcept { return entry_->ended.load(); }

   private:
    friend class ClientWatch;
    struct Entry {
      int fd;
      std::chrono::steady_clock::time_point deadline;
      qwen::CancelToken token;
      std::atomic<Ended> ended{Ended::no};
    };
    ClientWatch& watch_;
    std::shared_ptr<Entry> entry_;
    std::list<std::shared_ptr<Entry>>::iterator place_;
  };

  // Cancels everything that is under way, and whatever comes later.
  void cancel_all();

 private:
  void run();
  void wake() const;

  std::mutex mutex_;
  std::list<std::shared_ptr<Guard::Entry>> entries_;
  bool stop_ = false, cancel_all_ = false;
  int event_;
  std::thread thread_;
};

}  // namespace qwen_serve
