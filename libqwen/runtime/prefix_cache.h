// The KV of prompts' beginnings.
#pragma once
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "qwen/engine.h"
#include "runtime/state.h"

namespace qwen::runtime {

// Keeps token prefixes with their KV and copies the longest that fits into a sequence. What is computed after that has
// the same bits as without. Prefixes that begin alike share memory. One thread at a time.
class PrefixCache {
 public:
  // Throws Error(io) if the folder cannot be created.
  PrefixCache(const ModelState& model, const EngineOptions& options);

  // Whether these tokens are pinned; reads them from the folder if they are there.
  bool find_pinned(std::span<const Token> tokens);
  // Keeps the sequence permanently, and as a file in the folder. If that cannot be written, it stays in memory only.
  void pin(const Sequence& sequence);
  // Leaves the longest known prefix of `prompt` in the sequence, counting what the sequence holds, and returns its
  // length. At least one token is left to compute, unless the whole prompt was inserted by insert_exact() or insert():
  // then the state of its last token is known too.
  int restore_longest_prefix(Sequence& sequence, std::span<const Token> prompt);
  // Keeps a whole prompt: the last few are kept, for other questions about the same text.
  void insert_exact(const Sequence& sequence);
  // Keeps a conversation: least recently used ones beyond EngineOptions::prefix_bytes are evicted; a longer one
  // replaces its own prefix.
  void insert(const Sequence& sequence);

  // Addresses of KV pages, page_bytes() each.
  using Pages = std::vector<const void*>;
  static void add_pages(const Sequence& sequence, Pages& pages);
  std::size_t page_bytes() const noexcept { return page_bytes_; }
  // Evicts least recently used entries until total KV memory, including the pages `others`, is at most `limit` bytes.
  // Pinned entries are never evicted. Returns the total.
  std::size_t evict_to(const Pages& others, std::size_t limit);

  std::size_t pinned() const noexcept { return pinned_.size(); }
  std::uint64_t loaded() const noexcept { return loaded_; }  // pinned entries that were read from the folder

 private:
  struct Entry {
    SnapshotPointer snapshot;
    bool exact;  // by insert_exact()
  };
  SnapshotPointer longest(std::span<const Token> prompt, int& length);
  bool is_pinned(std::span<const Token> tokens) const;
  bool load_pinned(std::span<const Token> tokens);
  void add(const Sequence& sequence, bool exact);
  std::size_t kept_bytes() const;

  const ModelState& model_;
  const std::string folder_;
  const std::uint64_t folder_bytes_;
  const int context_;
  const KvType kv_type_;
  const std::size_t bytes_;
  const std::size_t page_bytes_;
  std::vector<SnapshotPointer> pinned_;
  std::list<Entry> entries_;  // least recently used first
  std::uint64_t loaded_ = 0;
};

}  // namespace qwen::runtime
