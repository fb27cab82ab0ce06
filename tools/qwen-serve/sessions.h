// Conversations that the server keeps for its clients, by an id that cannot be guessed.
#pragma once
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "qwen-serve/api_error.h"
#include "qwen/chat.h"

namespace qwen_serve {

struct Turn {
  std::string user, assistant;
  Json sentiment;  // as it was sent; null for none
};

// In memory only: a session ends with the process, with its time, or where `limit` others are newer.
class SessionStore {
 public:
  using Clock = std::chrono::steady_clock;
  SessionStore(std::chrono::seconds time_to_live, std::size_t limit,
               std::function<Clock::time_point()> now = Clock::now)
      : time_to_live_(time_to_live), limit_(limit), now_(std::move(now)) {}

  struct Session {
    std::string id;
    std::vector<Turn> turns;
    Clock::time_point expires;
    bool busy = false;
  };

  // A session in use by one request. Nobody else gets it until then, and it does not expire.
  class Lease {
   public:
    Lease(SessionStore& store, const std::optional<std::string>& id);  // no id: a new one. ApiError 404, 409
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    const std::string& id() const noexcept { return session_->id; }
    const std::vector<Turn>& turns() const noexcept { return session_->turns; }
    void set_turns(std::vector<Turn> turns);

   private:
    SessionStore& store_;
    std::shared_ptr<Session> session_;
  };

  // ApiError 404 where there is none.
  Json show(const std::string& id);
  std::string markdown(const std::string& id);
  void erase(const std::string& id);
  std::size_t count();

 private:
  using Sessions = std::list<std::shared_ptr<Session>>;
  Session& get(const std::string& id);  // with mutex_ held
  void expire();                        // with mutex_ held

  std::chrono::seconds time_to_live_;
  std::size_t limit_;
  std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  Sessions sessions_;  // the one used last first
  std::unordered_map<std::string, Sessions::iterator> index_;
};

}  // namespace qwen_serve
