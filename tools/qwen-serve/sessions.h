// Conversations that the server keeps for its clients, under ids that cannot be guessed.
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
  Json sentiment;  // as sent to the client, or null
};

// Sessions in memory. One ends when it expires, or when the number of sessions or the bytes of all of them
// exceed their limits and it is the least recently used.
class SessionStore {
 public:
  using Clock = std::chrono::steady_clock;
  SessionStore(std::chrono::seconds time_to_live, std::size_t max_sessions, std::size_t max_bytes,
               std::function<Clock::time_point()> now = Clock::now)
      : time_to_live_(time_to_live),
        max_sessions_(max_sessions),
        max_bytes_(max_bytes),
        now_(std::move(now)) {}

  struct Session {
    std::string id;
    std::vector<Turn> turns;
    std::size_t bytes = 0;  // of the turns
    Clock::time_point expires;
    bool busy = false;   // locked
    bool ended = false;  // deleted while locked
  };

  // Holds a session for one request: other requests get 409, and it neither expires nor is evicted.
  class SessionLock {
   public:
    // Without an id, a new session. Throws ApiError 404 if the id is unknown, 409 if the session is locked.
    SessionLock(SessionStore& store, const std::optional<std::string>& id);
    ~SessionLock();
    SessionLock(const SessionLock&) = delete;
    SessionLock& operator=(const SessionLock&) = delete;
    const std::string& id() const noexcept { return session_->id; }
    const std::vector<Turn>& turns() const noexcept { return session_->turns; }
    // Drops the oldest turns if they exceed the limits of a session or of the store.
    void set_turns(std::vector<Turn> turns);

   private:
    SessionStore& store_;
    std::shared_ptr<Session> session_;
  };

  // Throw ApiError 404 if the id is unknown.
  Json show(const std::string& id);
  std::string markdown(const std::string& id);
  void erase(const std::string& id);
  std::size_t count();
  std::size_t bytes();  // of all turns

 private:
  using Sessions = std::list<std::shared_ptr<Session>>;
  Session& get(const std::string& id);  // with mutex_ held
  void expire();                        // with mutex_ held
  void erase(Sessions::iterator session);
  bool evict_one();  // the least recently used that is not locked; with mutex_ held

  std::chrono::seconds time_to_live_;
  std::size_t max_sessions_, max_bytes_;
  std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  Sessions sessions_;  // most recently used first
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, Sessions::iterator> index_;
};

}  // namespace qwen_serve
