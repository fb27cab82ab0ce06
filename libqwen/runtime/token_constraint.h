// Constraints on the tokens of an answer, and drafts of them.
#pragma once
#include <span>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::runtime {

// Restricts the tokens of one answer. Generation calls it on one thread at a time.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  virtual bool allowed(Token token) = 0;
  // Sets the logits [vocab_size] of all tokens that are not allowed to -infinity.
  virtual void mask(std::span<float> logits) = 0;
  // The token was appended to the answer.
  virtual void accept(Token token) = 0;
  // Appends to `out` the tokens that must come next, if there is only one way to go on. They are not sampled.
  virtual void forced(std::vector<Token>& out) { out.clear(); }
};

// Guesses tokens, which are then verified together in one pass. Guesses never change the answer, only its speed.
class DraftSource {
 public:
  virtual ~DraftSource() = default;
  // Appends up to `limit` tokens that may follow `tokens` (prompt and answer) to `out`.
  virtual void propose(std::span<const Token> tokens, int limit, std::vector<Token>& out) = 0;
  // `accepted` of the `proposed` tokens were right.
  virtual void verified(int proposed, int accepted) = 0;
};

}  // namespace qwen::runtime
