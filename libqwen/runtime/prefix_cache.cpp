#include "qwen/prefix_cache.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/fail.h"
#include "runtime/state.h"

namespace qwen {
namespace {

// File names tell model and tokens apart; load_pinned() still compares the tokens themselves.
std::string file_path(const Model& model, const std::string& folder, std::span<const Token> tokens) {
  std::uint64_t digest = kFnvStart;
  for (const Token token : tokens) {
    const auto value = static_cast<std::uint64_t>(token);
    digest = fnv1a(&value, sizeof value, digest);
  }
  char name[64];
  std::snprintf(name, sizeof name, "%016llx-%zu-%016llx.kv",
                static_cast<unsigned long long>(model.fingerprint()), tokens.size(),
                static_cast<unsigned long long>(digest));
  return (std::filesystem::path(folder) / name).string();
}

void sort_unique(PrefixCache::Pages& pages) {
  std::ranges::sort(pages);
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
}

}  // namespace

int common_prefix(std::span<const Token> a, std::span<const Token> b) noexcept {
  return static_cast<int>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

PrefixCache::PrefixCache(Model model, const PrefixCacheOptions& options)
    : model_(std::move(model)), options_(options), context_(runtime::checked_context(model_, options.context)) {
  if (options_.folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error) fail(ErrorCode::io, "prefix cache folder ", options_.folder, ": ", error.message());
}

PrefixCache::~PrefixCache() = default;

Session& PrefixCache::worker() {
  if (!worker_) {
    SessionOptions options;
    options.context = context_;
    options.kv_type = options_.kv_type;
    worker_ = std::make_unique<Session>(model_, options);
  }
  return *worker_;
}

const Snapshot* PrefixCache::longest(std::span<const Token> prompt, int& length) {
  const Snapshot* best = nullptr;
  length = 0;
  // One token at least must be computed for its state to be known; a remembered prompt knows it.
  const int limit = static_cast<int>(prompt.size()) - 1;
  for (const Snapshot& snapshot : pinned_) {
    const int common = std::min(common_prefix(snapshot.tokens(), prompt), limit);
    if (common > length) best = &snapshot, length = common;
  }
  auto used = recent_.end();
  for (auto entry = recent_.begin(); entry != recent_.end(); ++entry) {
    const int shared = common_prefix(entry->snapshot.tokens(), prompt);
    const bool whole =
        shared == entry->snapshot.length() && shared == limit + 1 && !entry->snapshot.data().hidden.empty();
    const int common = whole ? shared : std::min(shared, limit);
    if (common > length) best = &entry->snapshot, length = common, used = entry;
  }
  if (used != recent_.end()) recent_.splice(recent_.end(), recent_, used);
  return best;
}

bool PrefixCache::is_pinned(std::span<const Token> tokens) const {
  return std::ranges::any_of(pinned_, [&](const Snapshot& snapshot) {
    return common_prefix(snapshot.tokens(), tokens) == static_cast<int>(tokens.size());
  });
}

bool PrefixCache::load_pinned(std::span<const Token> tokens) {
  if (options_.folder.empty()) return false;
  const std::string path = file_path(model_, options_.folder, tokens);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  try {
    worker().load(path);
  } catch (const Error&) {  // of another version or damaged: it will be written anew
    return false;
  }
  if (!std::ranges::equal(worker().tokens(), tokens)) return false;
  add_pinned(worker());
  ++counters_.loaded;
  return true;
}

void PrefixCache::add_pinned(const Session& session) {
  pinned_.push_back(session.snapshot());
  ++counters_.pinned;
  counters_.pinned_tokens += static_cast<std::uint64_t>(session.position());
}

bool PrefixCache::find_pinned(std::span<const Token> tokens) {
  const std::lock_guard lock(mutex_);
  return is_pinned(tokens) || load_pinned(tokens);
}

void PrefixCache::pin(std::span<const Token> tokens) {
  if (tokens.empty() || static_cast<int>(tokens.size()) > context_) return;
  const std::lock_guard lock(mutex_);
  if (is_pinned(tokens) || load_pinned(tokens)) return;
  int length = 0;
  if (const Snapshot* start = longest(tokens, length))
    worker().restore(*start, length);
  else
    worker().rewind(0);
  if (length < static_cast<int>(tokens.size()))
    worker().prefill(tokens.subspan(static_cast<std::size_t>(length)));
  add_pinned(worker());
  if (options_.folder.empty()) return;
  try {
    worker().save(file_path(model_, options_.folder, tokens));
  } catch (const Error&) {  // a full or read-only disk costs time at the next start, no more
  }
}

void PrefixCache::pin(const Session& session) {
  {
    const std::lock_guard lock(mutex_);
    if (session.position() == 0 || is_pinned(session.tokens())) return;
    add_pinned(session);
  }
  if (options_.folder.empty()) return;
  try {
    session.save(file_path(model_, options_.folder, session.tokens()));
  } catch (const Error&) {
  }
}

int PrefixCache::begin(Session& session, std::span<const Token> prompt) {
  Snapshot found;  // shares its pages: cheap to take out of the lock
  int length = 0;
  {
    const std::lock_guard lock(mutex_);
    if (const Snapshot* best = longest(prompt, length)) found = *best;
  }
  const int limit = std::max(0, static_cast<int>(prompt.size()) - 1);
  const int own = std::min(common_prefix(session.tokens(), prompt), limit);
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

void PrefixCache::add_recent(const Session& session, bool kept) {
  const std::span<const Token> tokens = session.tokens();
  recent_.remove_if([&](const Entry& old) {
    const std::span<const Token> known = old.snapshot.tokens();
    return old.kept == kept && (kept ? known.size() <= tokens.size() : known.size() == tokens.size()) &&
           common_prefix(known, tokens) == static_cast<int>(known.size());
  });
  recent_.push_back({session.snapshot(), kept});
}

void PrefixCache::remember(const Session& session) {
  if (options_.recent < 1) return;
  const std::lock_guard lock(mutex_);
  add_recent(session, false);
  const auto brief = [](const Entry& entry) { return !entry.kept; };
  if (std::ranges::count_if(recent_, brief) > options_.recent)
    recent_.erase(std::ranges::find_if(recent_, brief));
}

void PrefixCache::keep(const Session& session) {
  if (options_.bytes == 0 || session.position() == 0) return;
  const std::lock_guard lock(mutex_);
  add_recent(session, true);
  while (kept_bytes() > options_.bytes)
    recent_.erase(std::ranges::find_if(recent_, [](const Entry& entry) { return entry.kept; }));
}

void PrefixCache::add_pages(const Session& session, Pages& pages) {
  const auto& held = session.state().cache.pages();
  pages.insert(pages.end(), held.begin(), held.end());
}

std::size_t PrefixCache::kept_bytes() const {
  Pages pages;
  std::size_t page_bytes = 0;
  for (const Entry& entry : recent_) {
    if (!entry.kept) continue;
    const model::KvCache& cache = entry.snapshot.data().cache;
    pages.insert(pages.end(), cache.pages().begin(), cache.pages().end());
    page_bytes = cache.layout().page_bytes();
  }
  sort_unique(pages);
  return pages.size() * page_bytes;
}

std::size_t PrefixCache::shrink(const Pages& others, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  const std::size_t page_bytes =
      model::kv_layout(model_.shape(), runtime::kv_type_for(model_.state(), options_.kv_type)).page_bytes();
  for (;;) {
    Pages pages = others;
    const auto add = [&](const Snapshot& snapshot) {
      const auto& held = snapshot.data().cache.pages();
      pages.insert(pages.end(), held.begin(), held.end());
    };
    for (const Snapshot& snapshot : pinned_) add(snapshot);
    for (const Entry& entry : recent_) add(entry.snapshot);
    sort_unique(pages);
    const std::size_t bytes = pages.size() * page_bytes;
    if (bytes <= limit || recent_.empty()) return bytes;
    recent_.pop_front();
  }
}

PrefixCache::Counters PrefixCache::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace qwen
