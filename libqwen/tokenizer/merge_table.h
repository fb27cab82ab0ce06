// The merges of a byte-pair vocabulary.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::tokenizer {

struct MergeRule {
  Token left, right, merged;
};

// (left, right) -> rank: a hash table with open addressing. Encoding mostly waits for its cache lines, so an
// entry is 8 bytes (both ids and the rank, in as many bits as the vocabulary needs), and a small Bloom filter
// rejects most pairs without a merge.
class MergeTable {
 public:
  // `rules` in the order of their ranks, for ids below `tokens`; the first of duplicate pairs counts.
  // Throws unsupported if ids and ranks need more than 64 bits (above two million tokens).
  MergeTable(std::size_t tokens, std::span<const MergeRule> rules);
  // The rank of the pair's merge, or kNone.
  std::uint32_t rank(Token left, Token right) const noexcept {
    const std::uint64_t key = key_of(left, right), hash = key * kMultiplier;
    const std::size_t bit = hash >> filter_shift_;
    if ((filter_[bit / 64] >> (bit % 64) & 1) == 0) return kNone;
    for (std::size_t i = hash >> shift_;; i = (i + 1) & mask_) {
      if (entries_[i] >> rank_bits_ == key) return static_cast<std::uint32_t>(entries_[i] & rank_mask_);
      if (entries_[i] == kEmpty) return kNone;
    }
  }
  // The token that the merge of this rank produces.
  Token merged(std::uint32_t rank) const noexcept { return merged_[rank]; }

  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

 private:
  static constexpr std::uint64_t kEmpty =
      ~std::uint64_t{0};  // not a key: token_bits_ can hold one id more than the vocabulary has
  static constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15u;  // Fibonacci hashing
  std::uint64_t key_of(Token left, Token right) const noexcept {
    return static_cast<std::uint64_t>(left) << token_bits_ | static_cast<std::uint32_t>(right);
  }

  int token_bits_, rank_bits_;
  std::uint64_t rank_mask_;
  std::vector<std::uint64_t> entries_;  // key << rank_bits_ | rank; a power of two, at least a quarter empty
  std::size_t mask_;
  int shift_;
  std::vector<std::uint64_t> filter_;  // one bit per key is set
  int filter_shift_;
  std::vector<Token> merged_;  // by rank
};

}  // namespace qwen::tokenizer
