// Which tokens may come next in an answer: a thought within its limit, then text that satisfies the constraint.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "constraints/constraint_state.h"
#include "qwen/generate.h"

namespace qwen::runtime {

// Follows one answer token by token. One thread at a time.
class AnswerRules {
 public:
  // `room`: tokens that the context has for the answer.
  // Throws what GenerateOptions names for constraint, thought and thought_tokens.
  AnswerRules(const Model& model, const GenerateOptions& options, int room);

  // Whether the answer has rules at all: a constraint, a limit on its thought, or a least length.
  bool any() const noexcept { return constraint_.has_value() || limit_.has_value() || missing_ > 0; }
  // Whether some tokens are not allowed now.
  bool restricts() const noexcept { return !pending_.empty() || blocks_end() || text_.has_value(); }
  bool allows(Token token);
  // Sets the logits [vocab_size] of all tokens that are not allowed to -infinity.
  void mask(std::span<float> logits);
  // The allowed tokens if they are few and quickly found, else empty. Valid until the next call of any function.
  std::span<const Token> few_allowed();

  // The token was appended to the answer; it must be allowed.
  void accept(Token token);
  // The tokens that must come next, whatever the model says; they must be accepted one by one. More may follow them.
  std::vector<Token> forced();
  // Nothing but an end token may come.
  bool complete();
  // The complete text might go on, if there were tokens left.
  bool may_go_on();

 private:
  enum class Stage { before_thought, thought, answer };

  // A constrained answer cannot end in its thought, and no answer before it is long enough.
  bool blocks_end() const noexcept { return (constraint_ && stage_ == Stage::thought) || missing_ > 0; }
  bool is_end(Token token) const noexcept;
  void plan_thought(const GenerateOptions& options);
  void accept_in_thought(Token token, bool was_pending);
  void push_pending(std::string_view text);
  constraints::ConstraintState constraint_state(int tokens) const;
  std::vector<Token> encode(std::string_view text) const;

  const Tokenizer tokenizer_;
  const std::vector<Token> end_tokens_, model_end_tokens_;
  const std::optional<Constraint> constraint_;
  std::shared_ptr<const constraints::TokenTrie> trie_;  // if there is a constraint
  int left_;                                            // tokens
  int missing_;                                         // tokens before the answer may end
  Stage stage_ = Stage::answer;
  std::optional<Token> open_, close_;  // <think>, </think>
  std::optional<int> limit_;           // tokens that the thought may still have
  std::string partial_;                // the beginning of a character, at the end of the thought so far
  int waited_ = 0;                     // tokens, for the rest of that character
  std::vector<Token> pending_;         // the tokens that must come next, the last one first
  std::optional<constraints::ConstraintState> text_;  // once the answer's text has begun
  std::vector<Token> few_;
};

}  // namespace qwen::runtime
