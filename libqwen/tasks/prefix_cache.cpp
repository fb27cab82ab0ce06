#include "qwen/prefix_cache.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tasks/digest.h"
#include "tasks/prefix.h"

namespace qwen {
namespace {

// File names tell model and tokens apart; load_file() still compares the tokens themselves.
std::string file_name(const Model& model, std::span<const Token> tokens) {
  tasks::Digest digest;
  for (const Token token : tokens) digest.add(static_cast<std::uint64_t>(token));
  char name[64];
  std::snprintf(name, sizeof name, "%016llx-%zu-%016llx.kv",
                static_cast<unsigned long long>(model.fingerprint()), tokens.size(),
                static_cast<unsigned long long>(digest.value()));
  return name;
}

SessionOptions session_options(const PrefixCacheOptions& options) {
  SessionOptions out;
  out.context = options.context;
  out.kv_type = options.kv_type;
  return out;
}

}  // namespace

PrefixCache::PrefixCache(Model model, const PrefixCacheOptions& options)
    : model_(model), options_(options), session_(std::move(model), session_options(options)) {
  if (options_.folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error) throw Error(ErrorCode::io, "prefix cache folder " + options_.folder + ": " + error.message());
}

PrefixCache::~PrefixCache() = default;

const Snapshot* PrefixCache::longest(std::span<const Token> prompt, int& length) const {
  const Snapshot* best = nullptr;
  length = 0;
  // One token at least must be computed for its state to be known; a remembered prompt knows it.
  const int limit = static_cast<int>(prompt.size()) - 1;
  for (const Snapshot& snapshot : pinned_) {
    const int common = std::min(tasks::common_prefix(snapshot.tokens(), prompt), limit);
    if (common > length) best = &snapshot, length = common;
  }
  for (const Snapshot& snapshot : recent_) {
    const int shared = tasks::common_prefix(snapshot.tokens(), prompt);
    const bool whole = shared == snapshot.length() && shared == limit + 1;
    const int common = whole ? shared : std::min(shared, limit);
    if (common > length) best = &snapshot, length = common;
  }
  return best;
}

bool PrefixCache::load_file(const std::string& path, std::span<const Token> tokens) {
  if (!std::filesystem::exists(path)) return false;
  try {
    session_.load(path);
  } catch (const Error&) {  // of another version or damaged: it will be written anew
    return false;
  }
  return std::ranges::equal(session_.tokens(), tokens);
}

void PrefixCache::pin(std::span<const Token> tokens) {
  if (tokens.empty() || static_cast<int>(tokens.size()) > session_.context()) return;
  const std::lock_guard lock(mutex_);
  for (const Snapshot& snapshot : pinned_)
    if (tasks::common_prefix(snapshot.tokens(), tokens) == static_cast<int>(tokens.size())) return;
  const std::string path =
      options_.folder.empty() ? ""
                              : (std::filesystem::path(options_.folder) / file_name(model_, tokens)).string();
  const bool loaded = !path.empty() && load_file(path, tokens);
  if (!loaded) {
    int length = 0;
    const Snapshot* start = longest(tokens, length);
    if (start)
      session_.restore(*start, length);
    else
      session_.rewind(0);
    session_.prefill(tokens.subspan(static_cast<std::size_t>(length)));
    if (!path.empty()) {
      try {
        session_.save(path);
      } catch (const Error&) {  // a full or read-only disk costs time at the next start, no more
      }
    }
  }
  pinned_.push_back(session_.snapshot());
  ++counters_.pinned;
  counters_.pinned_tokens += tokens.size();
  counters_.loaded += loaded;
}

int PrefixCache::begin(Session& session, std::span<const Token> prompt) {
  Snapshot found;  // shares its pages: cheap to take out of the lock
  int length = 0;
  {
    const std::lock_guard lock(mutex_);
    if (const Snapshot* best = longest(prompt, length)) found = *best;
  }
  const int limit = std::max(0, static_cast<int>(prompt.size()) - 1);
  const int own = std::min(tasks::common_prefix(session.tokens(), prompt), limit);
  if (own >= length) {
    length = own;
    session.rewind(own);
  } else {
    session.restore(found, length);
  }
  const std::lock_guard lock(mutex_);
  counters_.reused_tokens += static_cast<std::uint64_t>(length);
  counters_.computed_tokens += prompt.size() - static_cast<std::size_t>(length);
  return length;
}

void PrefixCache::remember(const Session& session) {
  if (options_.recent < 1) return;
  Snapshot snapshot = session.snapshot();
  const std::lock_guard lock(mutex_);
  std::erase_if(recent_,
                [&](const Snapshot& old) { return std::ranges::equal(old.tokens(), snapshot.tokens()); });
  if (static_cast<int>(recent_.size()) >= options_.recent) recent_.erase(recent_.begin());
  recent_.push_back(std::move(snapshot));
}

PrefixCache::Counters PrefixCache::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace qwen
