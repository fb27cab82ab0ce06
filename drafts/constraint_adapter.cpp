#include "runtime/constraint_adapter.h"

#include <limits>

#include "base/fail.h"
#include "runtime/state.h"

namespace qwen::runtime {

void ConstraintAdapter::mask(std::span<float> logits) {
  const auto words = state_.allowed().words();
  for (std::size_t i = 0; i < logits.size(); ++i)
    if ((words[i / 64] >> (i % 64) & 1) == 0) logits[i] = -std::numeric_limits<float>::infinity();
}

std::unique_ptr<TokenConstraint> make_constraint(const Model& model, const GenerateOptions& options) {
  if (!options.constraint) return nullptr;
  if (!options.stop_at_end_of_turn)
    fail(ErrorCode::invalid_argument, "constraint: expected stop_at_end_of_turn, the text ends with the turn");
  const ModelState& m = model.state();
  return std::make_unique<ConstraintAdapter>(constraints::ConstraintState(
      *options.constraint, m.token_trie(), m.tokenizer, m.end_of_turn, options.max_new_tokens));
}

}  // namespace qwen::runtime
