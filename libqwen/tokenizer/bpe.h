// Byte-level BPE of the Qwen family.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/cjk_fast_path.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/split.h"
#include "tokenizer/tokenizer_backend.h"

namespace qwen::tokenizer {

class BpeBackend final : public TokenizerBackend {
 public:
  // `byte_tokens[b]` is the token of the single byte b; `rules` in the order of their ranks.
  BpeBackend(Vocabulary vocabulary, const std::array<Token, 256>& byte_tokens,
             std::span<const MergeRule> rules);

  std::string_view kind() const noexcept override { return "bpe"; }
  void encode_text(std::string_view text, std::vector<Token>& out) const override;
  // Appends the tokens of one word: merges the lowest-ranked pair, the leftmost of equals, until no pair has
  // a merge. Time O(n log n).
  void encode_word(std::string_view word, std::vector<Token>& out) const;

 private:
  // The tokens before the first merge, at most one per byte: characters from the CJK fast path, else bytes.
  std::size_t initial_tokens(std::string_view word, Token* tokens) const noexcept;
  std::size_t merge_short(Token* tokens, std::size_t n) const noexcept;
  void merge_long(std::span<const Token> tokens, std::vector<Token>& out) const;

  std::array<Token, 256> byte_tokens_;
  MergeTable merges_;
  CjkFastPath cjk_;
  Splitter splitter_;
};

}  // namespace qwen::tokenizer
