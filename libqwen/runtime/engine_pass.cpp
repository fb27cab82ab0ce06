// What the engine's thread does in one step: rows, forward, answers.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/checked.h"
#include "model/lm_head.h"
#include "runtime/engine_core.h"

namespace qwen::runtime {
namespace {

// A prompt that begins like an earlier one waits until that is computed, where it saves as many tokens.
constexpr int kWorthWaiting = 32;
// With so few answers each reads the shortened head alone; for more the whole head is read once for all.
constexpr std::size_t kShortHeads = 1;

}  // namespace

void EngineCore::step() {
  for (const auto& sequence : running_)
    if (is_cancelled(*sequence->task)) end(*sequence, FinishReason::cancelled);
  plan();
  compute();
  sample_all();
  enforce_kv_limit();
}

// One token of every reply, and the prompts' next parts. Interactive prompts come first, but a quarter of the
// rows are the replies' where one of these waits.
void EngineCore::plan() {
  int replies = 0;
  bool reply_waits = false;
  for (const auto& sequence : running_) {
    sequence->rows = sequence->begun && !sequence->ended ? 1 : 0;
    replies += sequence->rows;
    reply_waits |=
        !sequence->ended && !sequence->begun && sequence->task->request.priority == Priority::normal;
  }
  const int budget = replies > 0 ? options.prefill_tokens_while_decoding : options.prefill_tokens;
  const int share = reply_waits ? std::max(1, budget / 4) : 0;
  int left = assign_prefill_tokens(Priority::high, budget - share);
  left = assign_prefill_tokens(Priority::normal, left + share);
  assign_prefill_tokens(Priority::high, left);
}

// Gives rows to the prompts of this priority in their order; returns what is left.
int EngineCore::assign_prefill_tokens(Priority priority, int left) {
  for (const auto& sequence : running_) {
    if (left == 0) break;
    if (sequence->ended || sequence->begun || sequence->task->request.priority != priority) continue;
    if (!sequence->placed && !attach_prefix(*sequence)) continue;
    const int count = std::min(left, sequence->missing());
    sequence->rows += count;
    left -= count;
  }
  return left;
}

// Puts the longest known beginning of the prompt into the session. False where it is worth to wait for
// another prompt, which comes first in the order of rows and so never waits for this one.
bool EngineCore::attach_prefix(Sequence& sequence) {
  const std::vector<Token>& prompt = sequence.prompt();
  const int limit = static_cast<int>(prompt.size()) - 1;
  int known = prefixes_.begin(sequence.session, prompt);
  const Sequence* nearest = nullptr;
  for (const auto& other : running_) {
    if (other.get() == &sequence) break;
    if (!other->placed || other->ended) continue;
    const int shared = std::min(common_prefix(other->session.tokens(), prompt), limit);
    if (shared >= known + kWorthWaiting) nearest = other.get(), known = shared;
    const bool same = other->task->request.priority == sequence.task->request.priority;
    if (same && std::min(common_prefix(other->prompt(), prompt), limit) >= known + kWorthWaiting)
      return false;
  }
  if (nearest != nullptr) sequence.session.restore(nearest->session.snapshot(known));
  sequence.placed = true;
  sequence.task->draft.cached_tokens = known;
  const std::lock_guard lock(mutex_);
  counters_.cached_tokens += static_cast<std::uint64_t>(known);
  return true;
}

void EngineCore::compute() {
  inputs_.clear();
  std::uint64_t rows = 0;
  for (const auto& sequence : running_) {
    if (sequence->rows == 0) continue;
    SessionState& s = sequence->session.state();
    const int from = s.position();
    try {
      s.cache.prepare(from, from + sequence->rows);
    } catch (...) {
      fail(*sequence, std::current_exception());
      continue;
    }
    const auto count = static_cast<std::size_t>(sequence->rows);
    rows += count;
    if (sequence->begun) {
      inputs_.push_back({&s.cache, from, {&sequence->task->generation->result().tokens.back(), 1}, 1});
    } else {
      const auto part = std::span(sequence->prompt()).subspan(static_cast<std::size_t>(from), count);
      inputs_.push_back({&s.cache, from, part, sequence->missing() == 0 ? 1 : 0});
    }
  }
  if (inputs_.empty()) return;
  model::forward(model.state().engine(), *workspace_, inputs_);
  const float* hidden = workspace_->hidden;
  const auto width = static_cast<std::size_t>(model.shape().hidden);
  auto input = inputs_.begin();
  for (const auto& sequence : running_) {
    if (sequence->rows == 0 || sequence->ended) continue;
    SessionState& s = sequence->session.state();
    s.tokens.insert(s.tokens.end(), input->tokens.begin(), input->tokens.end());
    if (input->outputs == 1) {
      s.hidden.assign(hidden, hidden + width);
      hidden += width;
    } else {
      s.hidden.clear();
    }
    ++input;
    sequence->rows = 0;
  }
  const std::lock_guard lock(mutex_);
  ++counters_.passes;
  counters_.pass_rows += rows;
}

// Every sequence whose whole prompt is computed goes on: with its callback, or with its next token.
void EngineCore::sample_all() {
  answering_.clear();
  for (const auto& sequence : running_)
    if (!sequence->ended && sequence->placed && !sequence->prefilling() && sequence->task->request.on_prompt)
      answer_prompt(*sequence);
  for (const auto& sequence : running_) {
    if (sequence->ended || !sequence->placed || sequence->prefilling()) continue;
    Generation& generation = *sequence->task->generation;
    if (!sequence->begun) {
      sequence->begun = true;
      generation.start_decoding(sequence->session.tokens(), static_cast<int>(sequence->prompt().size()) -
                                                                sequence->task->draft.cached_tokens);
      if (!generation.should_continue(false)) {
        end(*sequence, FinishReason::length);
        continue;
      }
    }
    answering_.push_back(sequence.get());
  }
  if (answering_.empty()) return;
  compute_logits();
  sample_tokens();
  std::uint64_t tokens = 0;
  for (Sequence* sequence : answering_) {
    if (sequence->error) {
      fail(*sequence, sequence->error);
      continue;
    }
    Generation& generation = *sequence->task->generation;
    try {
      const std::size_t before = generation.result().tokens.size();
      const bool more =
          generation.append() && generation.should_continue(sequence->session.position() >= options.context);
      const std::size_t after = generation.result().tokens.size();
      tokens += after - before;
      if (before == 0) sequence->task->first_token();
      if (more)
        sequence->task->publish();
      else
        end(*sequence, FinishReason::cancelled);
    } catch (...) {
      fail(*sequence, std::current_exception());
    }
  }
  const std::lock_guard lock(mutex_);
  counters_.generated_tokens += tokens;
}

void EngineCore::answer_prompt(Sequence& sequence) {
  try {
    sequence.task->request.on_prompt(sequence.session);
  } catch (...) {
    fail(sequence, std::current_exception());
    return;
  }
  sequence.task->first_token();
  end(sequence, FinishReason::length);
}

// For every one of answering_. The bits of a logit do not depend on the way.
void EngineCore::compute_logits() {
  const model::ExecContext engine = model.state().engine();
  const std::size_t stride = logits_.size() / sizeof(float) / static_cast<std::size_t>(places_);
  float* const first = logits_.as<float>();
  float* last = first + static_cast<std::size_t>(places_) * stride;
  hidden_.clear();
  for (Sequence* sequence : answering_) {
    const std::vector<float>& hidden = sequence->session.state().hidden;
    const auto need =
        answering_.size() <= kShortHeads ? sequence->task->generation->required_logits() : std::nullopt;
    if (need) {
      sequence->logits = last -= stride;
      model::lm_head_top_k(engine, *workspace_, hidden.data(), model.tokenizer().size(), need->count, need->must_include,
                      sequence->logits);
    } else {
      sequence->logits = first + hidden_.size() / hidden.size() * stride;
      hidden_.insert(hidden_.end(), hidden.begin(), hidden.end());
    }
  }
  if (hidden_.empty()) return;
  const int count = static_cast<int>(hidden_.size() / static_cast<std::size_t>(model.shape().hidden));
  model::lm_head_logits(engine, *workspace_, hidden_.data(), count, first, stride);
}

// Each draw is one sequence's own business, so the pool's threads share them.
void EngineCore::sample_tokens() {
  const auto one = [&](Sequence& sequence) noexcept {
    try {
      sequence.task->generation->sample(
          {sequence.logits, static_cast<std::size_t>(model.shape().embedding_rows)});
    } catch (...) {
      sequence.error = std::current_exception();
    }
  };
  if (answering_.size() == 1) return one(*answering_[0]);
  std::atomic<std::size_t> next{0};
  model.state().pool->run([&](int) {
    for (std::size_t i = next.fetch_add(1); i < answering_.size(); i = next.fetch_add(1)) one(*answering_[i]);
  });
}

void EngineCore::release(Sequence& sequence, std::uint64_t& counter) {
  sequence.ended = true;
  ++counter;
  --(sequence.task->request.priority == Priority::high ? running_interactive_ : running_normal_);
}

// `reason` is for those that have not ended by themselves.
void EngineCore::end(Sequence& sequence, FinishReason reason) {
  EngineRequestState& task = *sequence.task;
  try {
    task.close(reason);
  } catch (...) {  // from on_text
    fail(sequence, std::current_exception());
    return;
  }
  cache_prefix(sequence);
  {
    const std::lock_guard lock(mutex_);
    const bool cancelled = task.draft.generation.finish == FinishReason::cancelled;
    release(sequence, cancelled ? counters_.cancelled : counters_.finished);
  }
  task.finish();
}

void EngineCore::fail(Sequence& sequence, std::exception_ptr error) {
  {
    const std::lock_guard lock(mutex_);
    release(sequence, counters_.failed);
  }
  sequence.task->finish(std::move(error));
}

void EngineCore::fail_all(std::exception_ptr error) {
  for (const auto& sequence : running_)
    if (!sequence->ended) fail(*sequence, error);
}

void EngineCore::cache_prefix(const Sequence& sequence) noexcept {
  try {
    const EngineRequest& request = sequence.task->request;
    if (request.priority == Priority::high && request.on_prompt)
      prefixes_.remember(sequence.session);
    else
      prefixes_.keep(sequence.session);
  } catch (...) {  // no memory: then it is not kept
  }
}

// Keeps the KV within its limit, and the counters true.
void EngineCore::enforce_kv_limit() {
  pages_.clear();
  for (const auto& sequence : running_)
    if (!sequence->ended) PrefixCache::add_pages(sequence->session, pages_);
  const std::size_t bytes = prefixes_.shrink(pages_, kv_limit_);
  const std::lock_guard lock(mutex_);
  counters_.kv_bytes = bytes;
}

}  // namespace qwen::runtime
