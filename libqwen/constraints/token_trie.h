// The vocabulary as a tree of bytes.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::constraints {

// Bits by token id.
class TokenSet {
 public:
  TokenSet() = default;
  explicit TokenSet(std::size_t tokens) : words_((tokens + 63) / 64, 0), tokens_(tokens) {}
  void set(Token token) noexcept { words_[word(token)] |= bit(token); }
  bool contains(Token token) const noexcept {
    return token >= 0 && static_cast<std::size_t>(token) < tokens_ && (words_[word(token)] & bit(token)) != 0;
  }
  void add(const TokenSet& other) noexcept;
  std::size_t count() const noexcept;
  std::size_t size() const noexcept { return tokens_; }  // of the vocabulary
  // Of bit i of word w: token 64 * w + i.
  std::span<const std::uint64_t> words() const noexcept { return words_; }
  // In ascending order.
  std::vector<Token> tokens() const;
  // Sets the logits [at most size()] of all other tokens to -infinity.
  void mask(std::span<float> logits) const noexcept;

 private:
  static std::size_t word(Token token) noexcept { return static_cast<std::size_t>(token) / 64; }
  static std::uint64_t bit(Token token) noexcept {
    return std::uint64_t{1} << (static_cast<unsigned>(token) % 64);
  }
  std::vector<std::uint64_t> words_;
  std::size_t tokens_ = 0;
};

// Immutable; one for each tokenizer. Control tokens, and others that were added to the vocabulary, are left out:
// constrained text is never made of them.
class TokenTrie {
 public:
  explicit TokenTrie(const Tokenizer& tokenizer);

  // In depth-first order: the children of a node follow it, up to `end`.
  struct Node {
    std::uint32_t end;
    Token token;          // that ends here, or -1
    std::uint16_t depth;  // bytes from the root, 1 for the first byte
    std::uint8_t byte;
  };
  std::span<const Node> nodes() const noexcept { return nodes_; }
  // The same for the tokens that are not plain.
  std::span<const Node> other_nodes() const noexcept { return other_nodes_; }
  std::size_t max_depth() const noexcept { return max_depth_; }
  bool has_all_bytes() const noexcept { return has_all_bytes_; }  // a token for every byte

  // The tokens that stay inside of a JSON string and fit into `characters` more of its characters, one that is begun
  // included. Escapes are spelled as generated ones.
  const TokenSet& interior(std::uint32_t characters) const noexcept;
  // The nodes of the tokens that end a JSON string, or have more characters than interior() counts. No other token is
  // valid inside of a string.
  std::span<const Node> string_end_nodes() const noexcept { return string_end_nodes_; }

  // Plain tokens are whole characters that need no escape in a JSON string: those of at most `characters`.
  const TokenSet& plain(std::uint32_t characters) const noexcept;
  std::uint32_t max_plain() const noexcept { return static_cast<std::uint32_t>(plain_.size()) - 1; }

  std::string_view bytes(Token token) const noexcept;  // "" for tokens that are left out
  std::size_t vocabulary() const noexcept { return ends_.size() - 1; }
  // Other tokens with the same bytes as one in the trie.
  std::span<const std::pair<Token, Token>> duplicates() const noexcept { return duplicates_; }

 private:
  std::vector<Node> build(std::span<const Token> sorted);
  void find_interior(std::span<const Token> sorted);

  std::string bytes_;
  std::vector<std::uint32_t> ends_{0};  // token i is bytes_[ends_[i], ends_[i + 1])
  std::vector<Node> nodes_, other_nodes_, string_end_nodes_;
  std::vector<TokenSet> plain_, interior_;           // by number of characters
  std::vector<std::pair<Token, Token>> duplicates_;  // (in the trie, another)
  std::size_t max_depth_ = 0;
  bool has_all_bytes_ = false;
};

}  // namespace qwen::constraints
