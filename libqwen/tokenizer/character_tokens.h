// A short cut through the merges of Chinese, Japanese and Korean text.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"

namespace qwen::tokenizer {

// Most words of such text begin by merging the three bytes of each character into its token. Where that
// happens in any case, it need not be done step by step. It does happen where no merge of the vocabulary
// takes a part of the character together with bytes beyond it, and where every merge has a higher rank than
// those that made its two parts: then nothing comes between the character's own merges, and nothing that uses
// the character can come before them.
class CharacterTokens {
 public:
  // Of no use (token() is always -1) where the merges are not in such an order.
  CharacterTokens(const Vocabulary& vocabulary, const std::array<Token, 256>& byte_tokens,
                  std::span<const MergeRule> rules, const MergeTable& merges);

  // The token of the three-byte character whose bytes these are, or -1.
  Token token(unsigned char b0, unsigned char b1, unsigned char b2) const noexcept {
    return tokens_.empty() ? -1 : tokens_[(b0 & 0x0Fu) << 12 | (b1 & 0x3Fu) << 6 | (b2 & 0x3Fu)];
  }
  // Whether a merge may take a part of a character together with bytes on the other side of a border between
  // two characters: `left` is the last byte before it, `right` and `next` are the first two after it.
  bool may_cross(unsigned char left, unsigned char right, unsigned char next) const noexcept {
    return crossing_[left * 256u + right] >> (next & 0x3F) & 1;
  }

 private:
  void find_crossings(const Vocabulary& vocabulary, std::span<const MergeRule> rules);

  std::vector<Token> tokens_;            // [65536] by code point
  std::vector<std::uint64_t> crossing_;  // [left][right]: a bit for each `next & 0x3F`
};

}  // namespace qwen::tokenizer
