// The beginnings of prompts, computed once.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "qwen/export.h"
#include "qwen/session.h"

namespace qwen {

struct PrefixCacheOptions {  // what is kept, and where
  std::string
      folder{};  // "": memory only; else pinned prefixes are kept there as files, bound to model and tokens
  int context = 0;                     // as SessionOptions
  KvType kv_type = KvType::automatic;  // as SessionOptions
  int recent = 4;  // whole prompts kept beside the pinned ones, for other questions about the same text
  std::size_t bytes = 0;  // memory of the conversations kept beside them
};

// Tokens at the beginning that two sequences share.
QWEN_API int common_prefix(std::span<const Token> a, std::span<const Token> b) noexcept;

// Keeps the KV of token prefixes and puts the longest fitting one into a session. What a session computes
// after that has the same bits as without. Prefixes that begin alike share memory. Safe from many threads.
class QWEN_API PrefixCache {
 public:
  // An empty one. Error(invalid_argument) for a context out of range; Error(io) for a folder that cannot be
  // made.
  explicit PrefixCache(Model model, const PrefixCacheOptions& options = {});
  ~PrefixCache();

  // Computes these tokens (or reads them from the folder) and keeps them for good; does nothing for none, or
  // for more than the context. A prefix that cannot be written to the folder stays in memory; one that cannot
  // be read is computed anew. Error(invalid_argument) for an id out of range.
  void pin(std::span<const Token> tokens);
  // The same for what a session has computed already.
  void pin(const Session& session);
  // Whether these tokens are pinned, read from the folder where it has them.
  bool find_pinned(std::span<const Token> tokens);
  // Leaves the longest known prefix of `prompt` in the session, what the session holds itself included, and
  // returns its length. At least one token of the prompt is left to compute, unless the very same prompt was
  // remembered or kept: then the session also knows the state of its last token (Session::logits_for works).
  int begin(Session& session, std::span<const Token> prompt);
  // Keeps what the session holds, just computed, until `recent` others were used after it.
  void remember(const Session& session);
  // Keeps what the session holds within `bytes`: those that no prompt began with for the longest time go
  // first. One that continues a kept one takes its place.
  void keep(const Session& session);

  // Addresses of pages of KV memory, ascending; page_bytes() each.
  using Pages = std::vector<const void*>;
  // Adds the pages that the session holds.
  static void add_pages(const Session& session, Pages& pages);
  // Lets go of the longest unused until what is kept, pinned and remembered takes at most `limit` bytes
  // together with the pages `others`, as far as that goes. Returns the bytes of all, shared pages once.
  std::size_t shrink(const Pages& others, std::size_t limit);

  struct Counters {                     // what it has done
    int pinned = 0;                     // prefixes
    std::uint64_t pinned_tokens = 0;    // of these prefixes
    std::uint64_t loaded = 0;           // of these, read from the folder
    std::uint64_t reused_tokens = 0;    // that begin() found
    std::uint64_t computed_tokens = 0;  // that it left to compute
  };
  Counters counters() const;
  const Model& model() const noexcept { return model_; }
  const PrefixCacheOptions& options() const noexcept { return options_; }

 private:
  struct Entry {
    Snapshot snapshot;
    bool kept;  // by keep(), not by remember()
  };
  // All with mutex_ held.
  const Snapshot* longest(std::span<const Token> prompt, int& length);
  bool is_pinned(std::span<const Token> tokens) const;
  bool load_pinned(std::span<const Token> tokens);
  void add_pinned(const Session& session);
  void add_recent(const Session& session, bool kept);
  std::size_t kept_bytes() const;
  Session& worker();

  Model model_;
  PrefixCacheOptions options_;
  mutable std::mutex mutex_;
  std::unique_ptr<Session> worker_;  // computes and reads what is pinned; made when first needed
  int context_;
  std::vector<Snapshot> pinned_;
  std::list<Entry> recent_;  // with the state of their last token, the longest unused first
  Counters counters_;
};

}  // namespace qwen
