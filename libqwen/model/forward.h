// The transformer: tokens in, final hidden states and logits out.
#pragma once
#include <span>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace qwen::model {

// Tokens of one sequence, to be appended at `position`. A sequence occurs at most once in a batch.
struct SequenceInput {
  KvCache* cache = nullptr;  // prepared for [position, position + tokens.size())
  int position = 0;
  std::span<const Token> tokens;  // each in [0, vocab)
  int outputs = 0;                // this many last tokens get a final hidden state
};

// What a pass needs besides its tokens.
struct ExecContext {
  const Weights& weights;
  const kernels::Kernels& kernels;
  ThreadPool& pool;
};

// One pass over the weights for a ragged batch: prefill of many tokens, decode of one token for each of many
// sequences, or a mix. Appends keys and values to the caches and stores the output rows' hidden states, after the
// final norm, in workspace.hidden [outputs][hidden], in the order of the batch. Each row's result depends on its
// own sequence and earlier tokens only, bit for bit. Throws out_of_memory or std::bad_alloc before any change.
void forward(const ExecContext& exec, Workspace& workspace, std::span<const SequenceInput> batch);

}  // namespace qwen::model
