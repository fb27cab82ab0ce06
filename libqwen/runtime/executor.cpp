#include "runtime/executor.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "model/lm_head.h"

namespace qwen::runtime {
namespace {

// Rows of logits that logits_of_each() holds at once: enough to share a reading of the head.
constexpr int kLogitRows = 16;

}  // namespace

Executor::Executor(const ModelState& model)
    : model_(model),
      stride_(round_up(static_cast<std::size_t>(model.info.shape.embedding_rows), kernels::kPanelRows)),
      workspace_(*model.weights, model.pool->size()) {}

void Executor::reserve(int rows, int outputs, int context, int logits) {
  workspace_.reserve(rows, outputs, context);
  logits_buffer(logits);
  states_.reserve(static_cast<std::size_t>(logits) * static_cast<std::size_t>(model_.info.shape.hidden));
}

void Executor::step(std::span<StepItem> items, OnItemError on_error) {
  forward(items, on_error);
  compute_logits(items);
}

void Executor::forward(std::span<StepItem> items, OnItemError on_error) {
  model_.weights->check_file();
  for (StepItem& item : items) {
    item.first_row = nullptr;
    item.error = nullptr;
    if (item.tokens.empty()) continue;
    Sequence& sequence = *item.sequence;
    try {
      sequence.tokens.reserve(static_cast<std::size_t>(sequence.context));
      sequence.cache.prepare(sequence.position(), sequence.position() + static_cast<int>(item.tokens.size()));
    } catch (...) {
      if (on_error == OnItemError::throw_error) throw;
      item.error = std::current_exception();
    }
  }
  run_forward(items);
}

void Executor::run_forward(std::span<StepItem> items) {
  inputs_.clear();
  rows_computed_ = 0;
  for (const StepItem& item : items) {
    if (item.tokens.empty() || item.error) continue;
    inputs_.push_back({&item.sequence->cache, item.sequence->position(), item.tokens, item.rows});
    rows_computed_ += item.tokens.size();
  }
  if (inputs_.empty()) return;
  model::forward(model_.engine(), workspace_, inputs_);
  const float* state = workspace_.hidden;
  const auto width = static_cast<std::size_t>(model_.info.shape.hidden);
  for (const StepItem& item : items) {
    if (item.tokens.empty() || item.error) continue;
    Sequence& sequence = *item.sequence;
    sequence.tokens.insert(sequence.tokens.end(), item.tokens.begin(), item.tokens.end());
    state += static_cast<std::size_t>(item.rows) * width;
    if (item.rows > 0)
      sequence.hidden.assign(state - width, state);
    else
      sequence.hidden.clear();
  }
}

// The bits of a logit do not depend on the way: one row alone may read the shortened head, several share one reading
// of the whole head.
void Executor::compute_logits(std::span<StepItem> items) {
  const auto width = static_cast<std::size_t>(model_.info.shape.hidden);
  int rows = 0;
  StepItem* single = nullptr;
  const float* state = workspace_.hidden;
  states_.clear();
  for (StepItem& item : items) {
    if (item.error) continue;
    const bool computed = !item.tokens.empty();
    if (computed) state += static_cast<std::size_t>(item.rows) * width;
    const float* const end = computed ? state : item.sequence->hidden.data() + width;
    item.partial = false;
    if (item.logits == 0) continue;
    states_.insert(states_.end(), end - static_cast<std::size_t>(item.logits) * width, end);
    rows += item.logits;
    single = &item;
  }
  if (rows == 0) return;
  if (rows == 1 && !single->only.empty()) {
    single->first_row = logits_buffer(1);
    single->partial = true;
    std::fill_n(single->first_row, stride_, -std::numeric_limits<float>::infinity());
    only_.resize(single->only.size());
    logits_for(states_.data(), single->only, only_.data());
    for (std::size_t i = 0; i < only_.size(); ++i)
      single->first_row[static_cast<std::size_t>(single->only[i])] = only_[i];
    return;
  }
  if (rows == 1 && single->request) {
    workspace_.reserve(1, 1, 1);  // the state may come from another executor's step
    single->first_row = logits_buffer(1);
    single->partial = true;
    model::lm_head_top_k(model_.engine(), workspace_, states_.data(), model_.tokenizer.size(),
                         single->request->count, single->request->must_include, single->first_row);
    return;
  }
  float* row = logits(states_.data(), rows);
  for (StepItem& item : items) {
    if (item.logits == 0 || item.error) continue;
    item.first_row = row;
    row += static_cast<std::size_t>(item.logits) * stride_;
  }
}

float* Executor::logits_buffer(int rows) {
  const std::size_t bytes = static_cast<std::size_t>(rows) * stride_ * sizeof(float);
  if (logits_.size() < bytes) {
    logits_ = AlignedBuffer();  // before the larger one is taken
    logits_ = AlignedBuffer(bytes);
  }
  return logits_.as<float>();
}

float* Executor::logits(const float* states, int count) {
  workspace_.reserve(count, 1, 1);  // the states may come from smaller steps
  float* const out = logits_buffer(count);
  model::lm_head_logits(model_.engine(), workspace_, states, count, out, stride_);
  return out;
}

void Executor::logits_of_each(const float* states, int count,
                              const std::function<void(int, int, float*)>& on_rows) {
  for (int first = 0; first < count; first += kLogitRows) {
    const int rows = std::min(kLogitRows, count - first);
    on_rows(
        first, rows,
        logits(states + static_cast<std::size_t>(first) * static_cast<std::size_t>(model_.info.shape.hidden),
               rows));
  }
}

void Executor::logits_for(const float* state, std::span<const Token> ids, float* out) {
  workspace_.reserve(1, 1, 1);  // the state may come from another executor's step
  model::lm_head_logits_for(model_.engine(), workspace_, state, ids, out);
}

}  // namespace qwen::runtime
