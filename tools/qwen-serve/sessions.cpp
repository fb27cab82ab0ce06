#include "qwen-serve/sessions.h"

#include <algorithm>

#include "qwen-serve/exchange.h"

namespace qwen_serve {
namespace {

// What one session keeps; older turns are forgotten.
constexpr std::size_t kMaxTurns = 500;
constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

}  // namespace

SessionStore::Lease::Lease(SessionStore& store, const std::optional<std::string>& id) : store_(store) {
  const std::lock_guard lock(store_.mutex_);
  store_.expire();
  if (id) {
    store_.get(*id);
    session_ = *store_.index_.at(*id);
    if (session_->busy)
      throw ApiError(409, "session_busy", "another request of this session is under way", "session");
    store_.sessions_.splice(store_.sessions_.begin(), store_.sessions_, store_.index_.at(*id));
  } else {
    // The idlest goes; those in use are never more than the requests that are let in.
    while (store_.sessions_.size() >= store_.limit_) {
      const auto idlest = std::find_if(store_.sessions_.rbegin(), store_.sessions_.rend(),
                                       [](const auto& session) { return !session->busy; });
      if (idlest == store_.sessions_.rend()) break;
      store_.index_.erase((*idlest)->id);
      store_.sessions_.erase(std::next(idlest).base());
    }
    session_ = std::make_shared<Session>();
    session_->id = random_id();
    store_.sessions_.push_front(session_);
    store_.index_[session_->id] = store_.sessions_.begin();
  }
  session_->busy = true;
}

SessionStore::Lease::~Lease() {
  const std::lock_guard lock(store_.mutex_);
  session_->busy = false;
  session_->expires = store_.now_() + store_.time_to_live_;
}

void SessionStore::Lease::set_turns(std::vector<Turn> turns) {
  std::size_t bytes = 0, first = turns.size();
  while (first > 0 && turns.size() - first < kMaxTurns) {
    bytes += turns[first - 1].user.size() + turns[first - 1].assistant.size();
    if (bytes > kMaxBytes && first < turns.size()) break;
    --first;
  }
  turns.erase(turns.begin(), turns.begin() + static_cast<std::ptrdiff_t>(first));
  const std::lock_guard lock(store_.mutex_);
  session_->turns = std::move(turns);
}

SessionStore::Session& SessionStore::get(const std::string& id) {
  const auto found = index_.find(id);
  if (found == index_.end())
    throw ApiError(404, "session_not_found", "there is no such session, or it has expired", "session");
  return **found->second;
}

void SessionStore::expire() {
  const Clock::time_point now = now_();
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    if ((*it)->busy || now < (*it)->expires) {
      ++it;
      continue;
    }
    index_.erase((*it)->id);
    it = sessions_.erase(it);
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
  sessions_.erase(index_.at(id));
  index_.erase(id);
}

std::size_t SessionStore::count() {
  const std::lock_guard lock(mutex_);
  expire();
  return sessions_.size();
}

}  // namespace qwen_serve
