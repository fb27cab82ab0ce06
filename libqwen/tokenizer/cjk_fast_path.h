// A fast path for the first merges of Chinese, Japanese and Korean text.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"

namespace qwen::tokenizer {

// BPE of such text mostly starts by merging the three bytes of each character into one token. That result is
// certain, and used directly, if
// - no merge joins a part of the character with bytes of a neighbor, and
// - every merge has a higher rank than the merges that produce its two parts.
// Then no other merge can come between the character's own, and no merge that uses the character can come
// before them.
class CjkFastPath {
 public:
  // If the ranks are not in that order, token() is always -1.
  CjkFastPath(const Vocabulary& vocabulary, const std::array<Token, 256>& byte_tokens,
              std::span<const MergeRule> rules, const MergeTable& merges);

  // The token of a three-byte character, or -1.
  Token token(unsigned char b0, unsigned char b1, unsigned char b2) const noexcept {
    return tokens_.empty() ? -1 : tokens_[(b0 & 0x0Fu) << 12 | (b1 & 0x3Fu) << 6 | (b2 & 0x3Fu)];
  }
  // Whether a merge may join bytes across the boundary between two characters without containing both whole.
  // `left` is the last byte before the boundary, `right` and `next` are the first two after it.
  bool merges_across(unsigned char left, unsigned char right, unsigned char next) const noexcept {
    return crossing_[left * 256u + right] >> (next & 0x3F) & 1;
  }

 private:
  void find_crossing_merges(const Vocabulary& vocabulary, std::span<const MergeRule> rules);

  std::vector<Token> tokens_;            // [65536] by code point
  std::vector<std::uint64_t> crossing_;  // [left][right]: one bit for each `next & 0x3F`
};

}  // namespace qwen::tokenizer
