// One constrained text as it grows, token by token.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "constraints/automaton.h"
#include "constraints/token_trie.h"
#include "qwen/constraint.h"

namespace qwen::constraints {

// A token is allowed if the automaton accepts its bytes and the shortest ending still fits into the tokens that are
// left after it. The length of an ending is the number of its bytes (each byte is a token), or of the tokens that
// the tokenizer makes of it if that is less. So a text always ends in time; one thread at a time.
class ConstraintState {
 public:
  // `end_tokens` end a text. `max_tokens` is the room for the text, without an end token.
  // Throws unsupported if the vocabulary has no tokens for single bytes.
  // Throws invalid_argument if no text satisfies the constraint, or none fits into max_tokens.
  ConstraintState(const Constraint& constraint, std::shared_ptr<const TokenTrie> trie, Tokenizer tokenizer,
                  std::vector<Token> end_tokens, int max_tokens);

  // Whether `token` may come next. Needs no mask: about a microsecond.
  bool allows(Token token);
  // The token comes next; it must be allowed. End tokens change nothing.
  void accept(Token token);
  // The text satisfies the constraint as it is.
  bool can_end() const noexcept { return automaton_.accepts(config_); }
  // Nothing but an end token may come.
  bool must_end();
  // Without the limit of tokens the text could go on.
  bool can_grow() { return automaton_.next_bytes(config_).any(); }
  // All tokens that may come next; valid until the next call of another function. Remembered for each
  // configuration of the automaton.
  const TokenSet& allowed();
  // The tokens that may come next, in ascending order, if they are at most `limit` and quickly found; else empty.
  std::vector<Token> few_allowed(std::size_t limit);
  // The tokens that must come next, whatever the model says; often none. They are those that the tokenizer makes of
  // the text so far and what is forced, as far as these do not depend on what follows. They must be accepted one by
  // one.
  std::vector<Token> forced();

  int tokens_left() const noexcept { return left_; }
  std::size_t shortest_ending();  // in tokens

 private:
  struct Mask {
    TokenSet tokens;
    Cost max_cost = 0;  // of the configurations that its tokens lead to
  };

  std::string_view bytes_of(Token token) const noexcept;  // "" for tokens that are never allowed
  bool fits(Config config, int left);
  std::size_t encoded_cost(Config config);
  std::vector<Token> encoded(std::string_view text) const;  // empty: the tokens do not have these bytes
  Mask walk(bool budget);
  void walk_nodes(std::span<const TokenTrie::Node> nodes, bool budget, Mask& mask);
  bool is_end(Token token) const noexcept;
  void forget();

  std::shared_ptr<const TokenTrie> trie_;
  Tokenizer tokenizer_;
  std::vector<Token> end_tokens_;
  std::vector<std::pair<Token, std::string>> added_tokens_;  // that stand for their text
  Automaton automaton_;
  Config config_;
  int left_;
  std::vector<Token>
      plan_;  // the rest of the shortest ending in reverse, once only the tokenizer's tokens fit
  std::vector<Token> recent_;  // the last tokens of the text
  std::unordered_map<Config, Mask> masks_;
  std::unordered_map<Config, std::size_t> encoded_costs_;
  Mask last_;  // of the last allowed() that depended on tokens_left()
  std::vector<Config> path_;
};

}  // namespace qwen::constraints
