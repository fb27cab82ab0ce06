// The bytes and type of each token of a vocabulary, and the search for added tokens.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::tokenizer {

// Numbers of GGUF's tokenizer.ggml.token_type and of SentencePiece.
enum class TokenType : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,       // never part of a text: "<|im_end|>"
  user_defined = 4,  // added to the vocabulary, but part of the text: "<tool_call>"
  unused = 5,
  byte = 6,
};

// Stores all tokens' bytes in one block. Immutable after finish().
class Vocabulary {
 public:
  void reserve(std::size_t tokens, std::size_t bytes);
  // Appends the token with the next id.
  // Throws bad_format if the vocabulary outgrows 32 bits.
  void add(std::string_view bytes, TokenType type);
  // Indexes the added tokens (control and user-defined). The first of equal texts counts.
  void finish();

  int size() const noexcept { return static_cast<int>(types_.size()); }
  bool contains(Token token) const noexcept { return token >= 0 && token < size(); }
  // For ids that the vocabulary contains.
  std::string_view bytes(Token token) const noexcept {
    const auto i = static_cast<std::size_t>(token);
    return std::string_view(bytes_).substr(ends_[i], ends_[i + 1] - ends_[i]);
  }
  TokenType type(Token token) const noexcept { return types_[static_cast<std::size_t>(token)]; }

  std::optional<Token> find_added(std::string_view text) const noexcept;
  struct Match {
    Token token;
    std::size_t position, length;
  };
  // Flags of formats::AddedTokenFlag for an added token; before the vocabulary is shared.
  void set_flags(Token token, std::int32_t flags) { flags_.emplace_back(token, flags); }
  // The leftmost added token in `text` at or after `from`; the longest if several start there. The reference
  // splits text at added tokens first. The match includes white space that the token's flags strip.
  std::optional<Match> next_added(std::string_view text, std::size_t from) const noexcept;

 private:
  std::string bytes_;
  std::vector<std::uint32_t> ends_{0};  // [size + 1]: token i is bytes_[ends_[i], ends_[i + 1])
  std::vector<TokenType> types_;
  std::vector<Token> added_;                           // sorted by bytes, without duplicates
  std::array<bool, 256> added_starts_{};               // by first byte
  std::vector<std::pair<Token, std::int32_t>> flags_;  // of few tokens: most vocabularies have none

  std::optional<Match> match_at(std::string_view text, std::size_t at) const noexcept;
  bool apply_flags(std::string_view text, std::size_t from, Match& match) const noexcept;
};

}  // namespace qwen::tokenizer
