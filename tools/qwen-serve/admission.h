// The places for requests that use the model: running or queued.
#pragma once
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

namespace qwen_serve {

class Admission {
 public:
  Admission(int parallel, int queue) : parallel_(parallel), limit_(parallel + queue) {}

  class Ticket {
   public:
    // Throws ApiError 503 with Retry-After if all places are taken, if this client already has three quarters
    // of them, or if the server is shutting down.
    Ticket(Admission& admission, const std::string& client, int places);
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    Admission& admission_;
    std::string client_;
    int places_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };

  void close();  // issue no more tickets
  bool closed() const;
  // Waits until all tickets are returned. False if `time` passed first.
  bool wait(std::chrono::milliseconds time);
  int taken() const;
  int limit() const noexcept { return limit_; }
  // Places that one client may take.
  int client_limit() const noexcept { return limit_ - limit_ / 4; }

 private:
  int retry_after() const;  // with mutex_ held

  int parallel_, limit_;
  mutable std::mutex mutex_;
  std::condition_variable returned_;
  int taken_ = 0;
  std::map<std::string, int> taken_by_client_;  // only clients that hold tickets
  bool closed_ = false;
  double mean_seconds_ = 1;  // of a request, over the last few
};

}  // namespace qwen_serve
