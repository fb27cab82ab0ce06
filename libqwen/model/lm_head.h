// The output head: final hidden states in, logits out.
#pragma once
#include <span>

#include "model/forward.h"

namespace qwen::model {

// logits[i * stride + token] for `count` hidden states [count][hidden]; `stride` is at least vocab rounded up
// to 16.
void lm_head_logits(const ExecContext& exec, Workspace& workspace, const float* hidden, int count,
                    float* logits, std::size_t stride);

// Logits of single tokens for one hidden state: bit-equal to lm_head_logits.
void lm_head_logits_for(const ExecContext& exec, Workspace& workspace, const float* hidden,
                        std::span<const Token> tokens, float* out);

// Whether lm_head_top_k reads less than the whole head.
bool has_two_plane_head(const Weights& weights) noexcept;

// The logits of one hidden state that can matter to a choice among the largest ones: exact, bit-equal to
// lm_head_logits, for every token that may be among the `count` largest of the tokens not in `also`, and for
// those in `also`; minus infinity for all others. Only the first `rows` tokens count (rows of padding follow
// them). `logits` has room for vocab rounded up to 16; `count` is at least 1. With a head in two planes
// (kernels/panel.h) about half of it is read: an estimate of every logit, with a bound of six standard
// deviations of its error, tells which ones need the rest.
void lm_head_top_k(const ExecContext& exec, Workspace& workspace, const float* hidden, int rows, int count,
                   std::span<const Token> also, float* logits);

}  // namespace qwen::model
