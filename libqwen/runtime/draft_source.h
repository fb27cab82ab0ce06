// Guesses of the next tokens of an answer.
#pragma once
#include <span>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::runtime {

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
