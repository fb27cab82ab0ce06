// A Constraint as the generation loop sees it.
#pragma once
#include <memory>
#include <utility>

#include "constraints/constraint_state.h"
#include "qwen/generate.h"
#include "runtime/token_constraint.h"

namespace qwen::runtime {

class ConstraintAdapter final : public TokenConstraint {
 public:
  explicit ConstraintAdapter(constraints::ConstraintState state) : state_(std::move(state)) {}

  bool allowed(Token token) override { return state_.allows(token); }
  void mask(std::span<float> logits) override;
  void accept(Token token) override { state_.accept(token); }
  void forced(std::vector<Token>& out) override { out = state_.forced(); }
  bool complete() override { return state_.must_end(); }

 private:
  constraints::ConstraintState state_;
};

// For options.constraint; null without one.
// Throws Error(invalid_argument) if the constraint has no text, or none that fits into options.max_new_tokens, or if
// stop_at_end_of_turn is off.
std::unique_ptr<TokenConstraint> make_constraint(const Model& model, const GenerateOptions& options);

}  // namespace qwen::runtime
