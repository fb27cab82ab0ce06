#include "qwen-serve/sessions.h"

#include <algorithm>

#include "qwen-serve/request_context.h"

namespace qwen_serve {
namespace {

constexpr std::size_t kMaxTurns = 500;  // of one session
constexpr std::size_t kTurnOverhead = 256;

std::size_t bytes_of(const Turn& turn) {
  return kTurnOverhead + turn.user.size() + turn.assistant.size() +
         (turn.sentiment.is_null()
              ? 0
              : turn.sentiment.dump(-1, ' ', false, Json::error_handler_t::replace).size());
}

}  // namespace

SessionStore::SessionLock::SessionLock(SessionStore& store, const std::optional<std::string>& id)
    : store_(store) {
  const std::lock_guard lock(store_.mutex_);
  store_.expire();
  if (id) {
    store_.get(*id);
    session_ = *store_.index_.at(*id);
    if (session_->busy)
      throw ApiError(409, "session_busy", "another request is using this session", "session");
    store_.sessions_.splice(store_.sessions_.begin(), store_.sessions_, store_.index_.at(*id));
  } else {
    while (store_.sessions_.size() >= store_.max_sessions_ && store_.evict_one()) {
    }
    session_ = std::make_shared<Session>();
    session_->id = random_id();
    store_.sessions_.push_front(session_);
    store_.index_[session_->id] = store_.sessions_.begin();
  }
  session_->busy = true;
}

SessionStore::SessionLock::~SessionLock() {
  const std::lock_guard lock(store_.mutex_);
  session_->busy = false;
  session_->expires = store_.now_() + store_.time_to_live_;
}

void SessionStore::SessionLock::set_turns(std::vector<Turn> turns) {
  std::size_t first = turns.size() - std::min(turns.size(), kMaxTurns), bytes = 0;
  for (std::size_t i = first; i < turns.size(); ++i) bytes += bytes_of(turns[i]);
  const std::lock_guard lock(store_.mutex_);
  if (session_->ended) return;
  store_.bytes_ -= session_->bytes;
  session_->bytes = 0;
  session_->turns.clear();
  while (store_.bytes_ + bytes > store_.max_bytes_ && store_.evict_one()) {
  }
  // Sessions in use hold the rest of the memory: this one keeps its latest turns.
  for (; first < turns.size() && store_.bytes_ + bytes > store_.max_bytes_; ++first)
    bytes -= bytes_of(turns[first]);
  turns.erase(turns.begin(), turns.begin() + static_cast<std::ptrdiff_t>(first));
  session_->turns = std::move(turns);
  session_->bytes = bytes;
  store_.bytes_ += bytes;
}

void SessionStore::erase(Sessions::iterator session) {
  bytes_ -= (*session)->bytes;
  (*session)->ended = true;
  index_.erase((*session)->id);
  sessions_.erase(session);
}

bool SessionStore::evict_one() {
  const auto oldest =
      std::find_if(sessions_.rbegin(), sessions_.rend(), [](const auto& session) { return !session->busy; });
  if (oldest == sessions_.rend()) return false;
  erase(std::next(oldest).base());
  return true;
}

SessionStore::Session& SessionStore::get(const std::string& id) {
  const auto found = index_.find(id);
  if (found == index_.end())
    throw ApiError(404, "session_not_found", "unknown or expired session", "session");
  return **found->second;
}

void SessionStore::expire() {
  const Clock::time_point now = now_();
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto session = it++;
    if (!(*session)->busy && now >= (*session)->expires) erase(session);
  }
}

Json SessionStore::show(const std::string& id) {
  const std::lock_guard lock(mutex_);
  expire();
  const Session& session = get(id);
  Json turns = Json::array();
  for (const Turn& turn : session.turns) {
    Json entry = {{"user", turn.user}, {"assistant", turn.assistant}};
    if (!turn.sentiment.is_null()) entry["sentiment"] = turn.sentiment;
    turns.push_back(std::move(entry));
  }
  const auto left = session.busy ? time_to_live_
                                 : std::chrono::duration_cast<std::chrono::seconds>(session.expires - now_());
  return {{"id", session.id}, {"turns", std::move(turns)}, {"expires_in_s", left.count()}};
}

std::string SessionStore::markdown(const std::string& id) {
  const Json session = show(id);
  std::string text = "# Conversation\n";
  for (const Json& turn : session["turns"]) {
    text += "\n**User:**\n\n" + turn["user"].get<std::string>() + "\n";
    if (turn.contains("sentiment") && turn["sentiment"].contains("label")) {
      const Json& found = turn["sentiment"];
      text += "\n*" + found.value("emoji", "") + " " + found.value("display", "") + "*\n";
    }
    text += "\n**Assistant:**\n\n" + turn["assistant"].get<std::string>() + "\n";
  }
  return text;
}

void SessionStore::erase(const std::string& id) {
  const std::lock_guard lock(mutex_);
  expire();
  get(id);
  erase(index_.at(id));
}

std::size_t SessionStore::bytes() {
  const std::lock_guard lock(mutex_);
  expire();
  return bytes_;
}

std::size_t SessionStore::count() {
  const std::lock_guard lock(mutex_);
  expire();
  return sessions_.size();
}

}  // namespace qwen_serve
