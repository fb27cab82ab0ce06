// The transformer: tokens in, final hidden states and logits out.
#pragma once
#include <span>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace qwen::model {

// Some tokens of one sequence, to be appended at `position`. A sequence stands in a batch once.
struct SequenceInput {
  KvCache* cache = nullptr;  // prepared for [position, position + tokens.size())
  int position = 0;
  std::span<const Token> tokens;  // each in [0, vocab)
  int outputs = 0;                // of how many of its last tokens the final hidden state is wanted
};

// Everything a pass needs besides its tokens.
struct ExecContext {
  const Weights& weights;
  const kernels::Kernels& kernels;
  ThreadPool& pool;
};

// One pass over the weights for a ragged batch: prefill of many tokens, decode of one token for each of many
// sequences, or a mix. Appends keys and values to the caches and leaves the wanted hidden states, after the
// final norm, in workspace.hidden, [outputs][hidden], in the order of the input. Each row's result depends on
// its own sequence alone, bit for bit. Throws only std::bad_alloc-like errors, before anything has changed.
void forward(const ExecContext& exec, Workspace& workspace, std::span<const SequenceInput> batch);

}  // namespace qwen::model
