// The output head: final hidden states in, logits out. All functions give the same bits for the same logit.
#pragma once
#include <span>

#include "model/forward.h"

namespace qwen::model {

// logits[i * stride + token] for `count` hidden states [count][hidden], which share one read of the head.
// `stride` is at least embedding_rows rounded up to 16. May allocate if count is larger than the batches seen so far.
void lm_head_logits(const ExecContext& exec, Workspace& workspace, const float* hidden, int count,
                    float* logits, std::size_t stride);

// out[i] = logit of tokens[i], for one hidden state.
void lm_head_logits_for(const ExecContext& exec, Workspace& workspace, const float* hidden,
                        std::span<const Token> tokens, float* out);

// True if lm_head_top_k can read less than the whole head.
bool has_two_plane_head(const Weights& weights) noexcept;

// The logits of one hidden state that matter to a choice among the largest. Exact for the tokens of
// `must_include` and for every other token whose logit is at least the `count`-th largest of the tokens outside
// of `must_include`; the remaining logits are minus infinity, or exact too if the head has one plane. Only the
// first `rows` tokens count (padding rows follow them). `logits` has room for embedding_rows rounded up to 16; `count` is
// at least 1. A head in two planes (kernels/panel.h) is read to about one half: a bound that always holds tells
// which rows need their low nibbles.
void lm_head_top_k(const ExecContext& exec, Workspace& workspace, const float* hidden, int rows, int count,
                   std::span<const Token> must_include, float* logits);

}  // namespace qwen::model
