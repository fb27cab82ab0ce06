#include "runtime/prefix_cache.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/fail.h"
#include "runtime/session_file.h"

namespace qwen::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::ptrdiff_t kExactEntries = 4;

// File names tell model and tokens apart; load_pinned() compares the tokens themselves.
std::string file_path(const ModelState& model, const std::string& folder, std::span<const Token> tokens) {
  std::uint64_t digest = kFnvStart;
  for (const Token token : tokens) {
    const auto value = static_cast<std::uint64_t>(token);
    digest = fnv1a(&value, sizeof value, digest);
  }
  char name[64];
  std::snprintf(name, sizeof name, "%016llx-%zu-%016llx.kv",
                static_cast<unsigned long long>(model.fingerprint), tokens.size(),
                static_cast<unsigned long long>(digest));
  return (fs::path(folder) / name).string();
}

// Removes the least recently used .kv files beyond `limit` bytes, but never `newest`. Files that others remove at the
// same time, or that cannot be read, are skipped.
void limit_folder(const std::string& folder, std::uint64_t limit, const fs::path& newest) {
  struct File {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  std::uint64_t total = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code skip;
    if (it->path().extension() != ".kv" || !it->is_regular_file(skip) || skip) continue;
    const std::uint64_t bytes = it->file_size(skip);
    if (skip) continue;
    const fs::file_time_type used = it->last_write_time(skip);
    if (skip) continue;
    total += bytes;
    if (it->path() != newest) files.push_back({used, bytes, it->path()});
  }
  std::ranges::sort(files, {}, &File::used);
  for (const File& file : files) {
    if (total <= limit) break;
    std::error_code skip;
    if (fs::remove(file.path, skip)) total -= file.bytes;
  }
}

void sort_unique(PrefixCache::Pages& pages) {
  std::ranges::sort(pages);
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
}

void add_cache_pages(const model::KvCache& cache, PrefixCache::Pages& pages) {
  pages.insert(pages.end(), cache.pages().begin(), cache.pages().end());
}

}  // namespace

PrefixCache::PrefixCache(const ModelState& model, const EngineOptions& options)
    : model_(model),
      folder_(options.prefix_folder),
      folder_bytes_(options.prefix_folder_bytes),
      context_(options.context),
      kv_type_(options.kv_type),
      bytes_(options.prefix_bytes),
      page_bytes_(model::kv_layout(model.info.shape, kv_type_for(model, options.kv_type)).page_bytes()) {
  if (folder_.empty()) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) fail(ErrorCode::io, "prefix cache folder ", folder_, ": ", error.message());
}

SnapshotPointer PrefixCache::longest(std::span<const Token> prompt, int& length) {
  SnapshotPointer best;
  length = 0;
  // At least one token must be computed for its state to be known, unless the whole prompt was kept with its state.
  const int limit = static_cast<int>(prompt.size()) - 1;
  for (const SnapshotPointer& snapshot : pinned_) {
    const int common = std::min(common_prefix(snapshot->tokens, prompt), limit);
    if (common > length) best = snapshot, length = common;
  }
  auto used = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const SnapshotState& snapshot = *entry->snapshot;
    const int shared = common_prefix(snapshot.tokens, prompt);
    const bool whole =
        shared == static_cast<int>(snapshot.tokens.size()) && shared == limit + 1 && !snapshot.hidden.empty();
    const int common = whole ? shared : std::min(shared, limit);
    if (common > length) best = entry->snapshot, length = common, used = entry;
  }
  if (used != entries_.end()) entries_.splice(entries_.end(), entries_, used);
  return best;
}

bool PrefixCache::is_pinned(std::span<const Token> tokens) const {
  return std::ranges::any_of(pinned_, [&](const SnapshotPointer& snapshot) {
    return common_prefix(snapshot->tokens, tokens) == static_cast<int>(tokens.size());
  });
}

bool PrefixCache::load_pinned(std::span<const Token> tokens) {
  if (folder_.empty()) return false;
  const std::string path = file_path(model_, folder_, tokens);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return false;
  Sequence sequence(model_, context_, kv_type_);
  try {
    load_sequence(sequence, path);
  } catch (const Error&) {  // damaged, or of another version: it is computed and written again
    return false;
  }
  if (!std::ranges::equal(sequence.tokens, tokens)) return false;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);  // recently used
  pinned_.push_back(sequence.snapshot());
  ++loaded_;
  return true;
}

bool PrefixCache::find_pinned(std::span<const Token> tokens) {
  return is_pinned(tokens) || load_pinned(tokens);
}

void PrefixCache::pin(const Sequence& sequence) {
  if (sequence.tokens.empty() || is_pinned(sequence.tokens)) return;
  pinned_.push_back(sequence.snapshot());
  if (folder_.empty()) return;
  const std::string path = file_path(model_, folder_, sequence.tokens);
  try {
    save_sequence(sequence, path);
    limit_folder(folder_, folder_bytes_, path);
  } catch (const Error&) {  // a full or read-only disk only costs time at the next start
  }
}

int PrefixCache::restore_longest_prefix(Sequence& sequence, std::span<const Token> prompt) {
  int length = 0;
  const SnapshotPointer best = longest(prompt, length);
  const int limit = std::max(0, static_cast<int>(prompt.size()) - 1);
  const int own = std::min(common_prefix(sequence.tokens, prompt), limit);
  if (own >= length)
    sequence.rewind(own);
  else
    sequence.restore(*best, length);
  return std::max(own, length);
}

void PrefixCache::add(const Sequence& sequence, bool exact) {
  entries_.remove_if([&](const Entry& old) {
    const std::vector<Token>& known = old.snapshot->tokens;
    const bool replaces =
        exact ? known.size() == sequence.tokens.size() : known.size() <= sequence.tokens.size();
    return old.exact == exact && replaces &&
           common_prefix(known, sequence.tokens) == static_cast<int>(known.size());
  });
  entries_.push_back({sequence.snapshot(), exact});
}

void PrefixCache::insert_exact(const Sequence& sequence) {
  if (bytes_ == 0) return;
  add(sequence, true);
  if (std::ranges::count_if(entries_, &Entry::exact) > kExactEntries)
    entries_.erase(std::ranges::find_if(entries_, &Entry::exact));
}

void PrefixCache::insert(const Sequence& sequence) {
  if (bytes_ == 0 || sequence.tokens.empty()) return;
  add(sequence, false);
  while (kept_bytes() > bytes_)
    entries_.erase(std::ranges::find_if(entries_, [](const Entry& entry) { return !entry.exact; }));
}

void PrefixCache::add_pages(const Sequence& sequence, Pages& pages) {
  add_cache_pages(sequence.cache, pages);
}

std::size_t PrefixCache::kept_bytes() const {
  Pages pages;
  for (const Entry& entry : entries_)
    if (!entry.exact) add_cache_pages(entry.snapshot->cache, pages);
  sort_unique(pages);
  return pages.size() * page_bytes_;
}

std::size_t PrefixCache::evict_to(const Pages& others, std::size_t limit) {
  for (;;) {
    Pages pages = others;
    for (const SnapshotPointer& snapshot : pinned_) add_cache_pages(snapshot->cache, pages);
    for (const Entry& entry : entries_) add_cache_pages(entry.snapshot->cache, pages);
    sort_unique(pages);
    const std::size_t bytes = pages.size() * page_bytes_;
    if (bytes <= limit || entries_.empty()) return bytes;
    entries_.pop_front();
  }
}

}  // namespace qwen::runtime
