// Byte-level BPE as the Qwen family uses it.
#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "text/split.h"
#include "text/tokenizer_backend.h"

namespace qwen::text {

// What becomes of two neighbouring tokens.
struct Merge {
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t rank = kNone;  // the lowest rank in a word is merged first
  Token merged = -1;
};

// (left, right) -> Merge: one flat table with open addressing.
class MergeTable {
 public:
  explicit MergeTable(std::size_t merges);
  // Of two entries for one pair the first counts. At most as many as the constructor was told.
  void add(Token left, Token right, Merge merge) noexcept;
  Merge find(Token left, Token right) const noexcept {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t i = slot_of(key);; i = (i + 1) & mask_) {
      if (entries_[i].key == key) return entries_[i].merge;
      if (entries_[i].key == kEmpty) return {};
    }
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair: ids are below 2^31
  struct Entry {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static std::uint64_t key_of(Token left, Token right) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }
  // Fibonacci hashing of both halves.
  std::size_t slot_of(std::uint64_t key) const noexcept {
    key ^= key >> 29;
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }

  std::vector<Entry> entries_;  // a power of two, at least one of them empty
  std::size_t mask_;
  int shift_;
};

class BpeBackend final : public TokenizerBackend {
 public:
  // `byte_tokens[b]` is the token of the single byte b.
  BpeBackend(Vocabulary vocabulary, const std::array<Token, 256>& byte_tokens, MergeTable merges);

  std::string_view kind() const noexcept override { return "bpe"; }
  void encode_text(std::string_view text, std::vector<Token>& out) const override;
  // Appends the tokens of one word: the lowest-ranked pair is merged first, the leftmost of equals, until none is
  // left. Time O(n log n).
  void encode_word(std::string_view word, std::vector<Token>& out) const;

 private:
  void encode_short(std::string_view word, std::vector<Token>& out) const;
  void encode_long(std::string_view word, std::vector<Token>& out) const;

  std::array<Token, 256> byte_tokens_;
  MergeTable merges_;
  Splitter splitter_;
};

// Reads tokenizer.ggml.tokens, .token_type and .merges of a "gpt2" vocabulary.
std::shared_ptr<const TokenizerBackend> make_bpe_backend(const file::ModelFile& file);

}  // namespace qwen::text
