// The beginnings of prompts, computed once.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "qwen/session.h"

namespace qwen {

struct PrefixCacheOptions {
  std::string
      folder;  // "": memory only; else pinned prefixes are kept there as files, bound to model and tokens
  int context = 0;  // as SessionOptions
  KvType kv_type = KvType::automatic;
  int recent = 4;  // whole prompts kept beside the pinned ones, for other questions about the same text
};

// Keeps the KV of token prefixes and puts the longest fitting one into a session. What a session computes
// after that has the same bits as without. Prefixes that begin alike share memory. Safe from many threads.
class PrefixCache {
 public:
  explicit PrefixCache(Model model, const PrefixCacheOptions& options = {});
  ~PrefixCache();

  // Computes these tokens (or reads them from the folder) and keeps them for good. A prefix that cannot be
  // written to the folder stays in memory; one that cannot be read is computed anew.
  void pin(std::span<const Token> tokens);
  // Leaves the longest known prefix of `prompt` in the session, what the session holds itself included, and
  // returns its length. At least one token of the prompt is left to compute, unless the very same prompt was
  // remembered: then the session also knows the state of its last token (Session::logits_of works).
  int begin(Session& session, std::span<const Token> prompt);
  // Keeps what the session holds, just computed, until `recent` others came after it.
  void remember(const Session& session);

  struct Counters {
    int pinned = 0;  // prefixes
    std::uint64_t pinned_tokens = 0;
    std::uint64_t loaded = 0;           // of these, read from the folder
    std::uint64_t reused_tokens = 0;    // that begin() found
    std::uint64_t computed_tokens = 0;  // that it left to compute
  };
  Counters counters() const;
  const Model& model() const noexcept { return model_; }
  const PrefixCacheOptions& options() const noexcept { return options_; }

 private:
  // Both with mutex_ held.
  const Snapshot* longest(std::span<const Token> prompt, int& length) const;
  bool load_file(const std::string& path, std::span<const Token> tokens);

  Model model_;
  PrefixCacheOptions options_;
  mutable std::mutex mutex_;
  Session session_;  // computes what is pinned
  std::vector<Snapshot> pinned_;
  std::vector<Snapshot> recent_;  // whole prompts with the state of their last token, oldest first
  Counters counters_;
};

}  // namespace qwen
