// Byte-level BPE as the Qwen family uses it.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/character_tokens.h"
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
  // Appends the tokens of one word: the lowest-ranked pair is merged first, the leftmost of equals, until
  // none is left. Time O(n log n).
  void encode_word(std::string_view word, std::vector<Token>& out) const;

 private:
  // The tokens that a word starts with, at most one a byte: bytes, and characters that become whole in any
  // case.
  std::size_t first_tokens(std::string_view word, Token* tokens) const noexcept;
  std::size_t merge_short(Token* tokens, std::size_t n) const noexcept;
  void merge_long(std::span<const Token> tokens, std::vector<Token>& out) const;

  std::array<Token, 256> byte_tokens_;
  MergeTable merges_;
  CharacterTokens characters_;
  Splitter splitter_;
};

// Reads tokenizer.ggml.tokens, .token_type and .merges of a "gpt2" vocabulary.
std::shared_ptr<const TokenizerBackend> make_bpe_backend(const formats::ModelFile& file);

}  // namespace qwen::tokenizer
