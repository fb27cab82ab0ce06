// One pass of the engine: which tokens, forward, samples.
#include <algorithm>
#include <atomic>

#include "runtime/engine_core.h"

namespace qwen::runtime {
namespace {

// A prompt waits for another one that begins alike if that saves this many tokens.
constexpr int kWorthWaiting = 32;
// Draft tokens in a pass for one answer.
constexpr int kMaxDraft = 7;

void request_logits(Generation& generation, StepItem& item) {
  item.only = generation.few_allowed();
  item.request = generation.required_logits();
}

}  // namespace

void EngineCore::step() {
  for (const auto& running : running_)
    if (is_cancelled(*running->request)) end(*running, FinishReason::cancelled);
  plan();
  compute();
  finish_prompts();
  sample_all();
  enforce_kv_limit();
}

// One token of every reply, and the next part of the prompts. High-priority prompts come first, but a quarter of the
// tokens are for a normal prompt if one is being computed.
void EngineCore::plan() {
  bool decoding = false, normal_prompt = false;
  for (const auto& running : running_) {
    running->rows = 0;
    decoding |= running->stage == Stage::decoding;
    normal_prompt |= (running->stage == Stage::waiting || running->stage == Stage::prefilling) &&
                     running->request->priority == Priority::normal;
  }
  const int budget = decoding ? options.prefill_tokens_while_decoding : options.prefill_tokens;
  const int reserved = normal_prompt ? std::max(1, budget / 4) : 0;
  int left = assign_prefill_tokens(Priority::high, budget - reserved);
  left = assign_prefill_tokens(Priority::normal, left + reserved);
  assign_prefill_tokens(Priority::high, left);
  start_branches();
}

// Gives prompt tokens to the requests of this priority, first come, first served; returns what is left.
int EngineCore::assign_prefill_tokens(Priority priority, int left) {
  for (const auto& running : running_) {
    if (left == 0) break;
    if (running->request->priority != priority) continue;
    if (running->stage == Stage::waiting && attach_prefix(*running)) running->stage = Stage::prefilling;
    if (running->stage != Stage::prefilling) continue;
    const int count = std::min(left, running->missing());
    running->rows += count;
    left -= count;
  }
  return left;
}

// Copies the longest known beginning of the prompt into the sequence. Returns false if it is worth waiting for another
// prompt, which comes first in the order of assignment and so never waits for this one.
bool EngineCore::attach_prefix(Running& running) {
  const std::vector<Token>& prompt = running.prompt();
  if (running.wants_prompt_logprobs()) return true;  // each token of the prompt must be computed
  if (running.request->pins) prefixes_.find_pinned(prompt);
  const int limit = static_cast<int>(prompt.size()) - 1;
  int known = prefixes_.restore_longest_prefix(*running.sequence, prompt);
  const Running* nearest = nullptr;
  for (const auto& other : running_) {
    if (other.get() == &running) break;
    if (other->stage == Stage::waiting || other->stage == Stage::ended) continue;
    const int shared = std::min(common_prefix(other->sequence->tokens, prompt), limit);
    if (shared >= known + kWorthWaiting) nearest = other.get(), known = shared;
    const bool same = other->request->priority == running.request->priority;
    if (same && std::min(common_prefix(other->prompt(), prompt), limit) >= known + kWorthWaiting)
      return false;
  }
  if (nearest != nullptr) running.sequence->restore(*nearest->sequence->snapshot(known));
  running.request->draft.cached_tokens = known;
  running.request->prompt_done.store(known, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  counters_.cached_tokens += static_cast<std::uint64_t>(known);
  return true;
}

void EngineCore::compute() {
  items_.clear();
  owners_.clear();
  for (const auto& running : running_) add_items(*running);
  if (items_.empty()) return;
  executor_->forward(items_,
                     borrowed_ ? Executor::OnItemError::throw_error : Executor::OnItemError::leave_out);
  record_prompt_logprobs();
  executor_->compute_logits(items_);
  take_results();
  const std::lock_guard lock(mutex_);
  counters_.passes += executor_->rows_computed() > 0;
  counters_.pass_rows += executor_->rows_computed();
  counters_.scratch_bytes = executor_->bytes();
}

void EngineCore::add_items(Running& running) {
  const auto add = [&](Sequence& sequence, std::span<const Token> tokens, int rows, int logits, int branch) {
    StepItem& item = items_.emplace_back();
    item.sequence = &sequence;
    item.tokens = tokens;
    item.rows = rows;
    item.logits = logits;
    owners_.push_back({&running, branch});
  };
  Sequence& sequence = *running.sequence;
  if (running.stage == Stage::prefilling && running.rows > 0) {
    if (running.wants_prompt_logprobs()) begin_prompt_logprobs(running);
    const bool last = running.missing() == 0;
    const bool samples = last && running.request->generation && !running.request->generation->begins_forced();
    add(sequence,
        std::span(running.prompt())
            .subspan(static_cast<std::size_t>(sequence.position()), static_cast<std::size_t>(running.rows)),
        running.wants_prompt_logprobs() ? running.rows : static_cast<int>(last), static_cast<int>(samples),
        -1);
    if (samples) {
      running.request->generation->accept_prompt(running.prompt());
      request_logits(*running.request->generation, items_.back());
    }
  } else if (running.stage == Stage::decoding) {
    Generation& generation = *running.request->generation;
    const auto uncached =
        generation.uncached(sequence.position() - static_cast<int>(running.prompt().size()));
    running.input.assign(uncached.begin(), uncached.end());
    const auto draft =
        generation.draft(std::min(kMaxDraft, sequence.room() - static_cast<int>(running.input.size())));
    running.drafted = draft.size();
    running.input.insert(running.input.end(), draft.begin(), draft.end());
    const int rows = static_cast<int>(draft.size()) + 1;
    add(sequence, running.input, rows, rows, -1);
    if (draft.empty()) request_logits(generation, items_.back());
  } else if (running.stage == Stage::scoring) {
    const auto& nodes = running.request->tree().nodes;
    for (std::size_t i = 0; i < running.active.size(); ++i) {
      Branch& branch = running.active[i];
      const TokenTree::Node& node = nodes[static_cast<std::size_t>(branch.node)];
      // Its children need a normalizer, unless all continuations pass through it.
      add(*branch.sequence, {&node.token, 1}, 1, node.through < nodes[0].through ? 1 : 0,
          static_cast<int>(i));
    }
  }
}

void EngineCore::take_results() {
  std::vector<const float*> logits;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Running& running = *owners_[i].running;
    if (items_[i].error && running.stage != Stage::ended) fail(running, items_[i].error);
    if (running.stage != Stage::scoring) {
      logits.clear();  // of a request that has failed
      continue;
    }
    logits.push_back(items_[i].first_row);
    if (i + 1 < items_.size() && owners_[i + 1].running == &running) continue;
    finish_branches(running, logits);
    logits.clear();
  }
}

// Requests whose prompt is complete go on to decoding, scoring, or their end.
void EngineCore::finish_prompts() {
  for (const auto& each : running_) {
    Running& running = *each;
    if (running.stage != Stage::prefilling) continue;
    const int done = running.sequence->position(), total = static_cast<int>(running.prompt().size());
    running.request->prompt_done.store(done, std::memory_order_relaxed);
    try {
      if (running.rows > 0 && !running.request->on_prefill(done, total)) {
        end(running, FinishReason::cancelled);
        continue;
      }
      if (running.error) std::rethrow_exception(running.error);
      if (!running.complete()) continue;
      if (running.request->generation) {
        if (!start_decoding(running)) end(running, FinishReason::length);
      } else if (running.request->continuations) {
        start_scoring(running);
      } else {
        end(running, FinishReason::length);
      }
    } catch (...) {
      fail(running, std::current_exception());
    }
  }
}

// Returns false if nothing is wanted.
bool EngineCore::start_decoding(Running& running) {
  Generation& generation = *running.request->generation;
  generation.accept_prompt(running.prompt());
  generation.start_decoding(running.sequence->position() - running.request->draft.cached_tokens);
  running.stage = Stage::decoding;
  const auto forced = static_cast<int>(generation.result().tokens.size());
  if (running.wants_prompt_logprobs()) running.request->publish();
  if (forced > 0) {
    running.request->first_token();
    running.request->publish();
    const std::lock_guard lock(mutex_);
    counters_.generated_tokens += static_cast<std::uint64_t>(forced);
  }
  return generation.should_continue(running.sequence->room() < forced);
}

// Samples for every answer whose logits are known.
void EngineCore::sample_all() {
  sampling_.clear();
  std::vector<StepItem> known;  // prompts that were complete before the pass: only their logits are missing
  known.reserve(running_.size());
  for (const auto& running : running_) {
    if (running->stage != Stage::decoding) continue;
    const int cached = running->sequence->position() - static_cast<int>(running->prompt().size());
    if (!running->request->generation->is_cached(cached)) continue;  // forced tokens after the prompt
    const auto item =
        std::ranges::find_if(owners_, [&](const Owner& o) { return o.running == running.get(); });
    if (item != owners_.end()) {
      sampling_.emplace_back(running.get(), &items_[static_cast<std::size_t>(item - owners_.begin())]);
      continue;
    }
    StepItem& only_logits = known.emplace_back();
    only_logits.sequence = running->sequence.get();
    only_logits.logits = 1;
    request_logits(*running->request->generation, only_logits);
    sampling_.emplace_back(running.get(), &only_logits);
  }
  owners_.clear();
  if (sampling_.empty()) return;
  if (!known.empty()) {
    // These logits take the place of the others', so they come last.
    std::vector<std::pair<Running*, StepItem*>> later;
    std::erase_if(sampling_, [&](const auto& entry) {
      const bool is_known = entry.second >= known.data() && entry.second < known.data() + known.size();
      if (is_known) later.push_back(entry);
      return is_known;
    });
    sample_tokens();
    for (const auto& [running, item] : sampling_) append_tokens(*running);
    sampling_ = std::move(later);
    executor_->step(known);
  }
  sample_tokens();
  for (const auto& [running, item] : sampling_) append_tokens(*running);
}

// Sampling is independent for each answer, so the pool's threads share it.
void EngineCore::sample_tokens() {
  const auto one = [&](std::size_t i) noexcept {
    Running& running = *sampling_[i].first;
    StepItem& item = *sampling_[i].second;
    try {
      if (!running.request->generation->sample(item.first_row, executor_->stride(), item.partial))
        item.first_row = nullptr;
    } catch (...) {
      running.error = std::current_exception();
    }
  };
  if (sampling_.size() == 1) {
    one(0);
  } else if (!sampling_.empty()) {
    std::atomic<std::size_t> next{0};
    state_of(model).pool->run([&](int) {
      for (std::size_t i = next.fetch_add(1); i < sampling_.size(); i = next.fetch_add(1)) one(i);
    });
  }
  for (const auto& [running, item] : sampling_)
    if (!running->error && item->first_row == nullptr) resample(*running);
}

// A constraint refused the token, and the head was read for the largest logits only: now all are needed.
void EngineCore::resample(Running& running) {
  try {
    running.request->generation->sample(executor_->logits(running.sequence->hidden.data(), 1),
                                        executor_->stride(), false);
  } catch (...) {
    running.error = std::current_exception();
  }
}

void EngineCore::append_tokens(Running& running) {
  if (running.error) return fail(running, running.error);
  Generation& generation = *running.request->generation;
  try {
    const std::size_t before = generation.result().tokens.size();
    bool more = generation.append();
    const std::size_t after = generation.result().tokens.size();
    if (before == 0) running.request->first_token();
    // Wrong guesses leave the cache.
    const int held = static_cast<int>(running.prompt().size() + after);
    if (running.sequence->position() > held - (more ? 1 : 0)) running.sequence->rewind(held - (more ? 1 : 0));
    {
      const std::lock_guard lock(mutex_);
      counters_.generated_tokens += after - before;
    }
    const int pending = static_cast<int>(running.prompt().size() + after) - running.sequence->position();
    more = more && generation.should_continue(running.sequence->room() < pending);
    if (more)
      running.request->publish();
    else
      end(running, FinishReason::cancelled);
  } catch (...) {
    fail(running, std::current_exception());
  }
}

void EngineCore::release(Running& running, std::uint64_t& counter) {
  running.stage = Stage::ended;
  running.branches.clear();
  running.active.clear();
  const std::lock_guard lock(mutex_);
  ++counter;
  --(running.request->priority == Priority::high ? running_high_ : running_normal_);
}

// `reason` is for a generation that has not ended yet.
void EngineCore::end(Running& running, FinishReason reason) {
  RequestState& request = *running.request;
  try {
    if (request.generation && running.stage != Stage::decoding)  // cancelled during the prompt
      request.generation->start_decoding(running.sequence->position() - request.draft.cached_tokens);
    if (request.wants_hidden) request.draft.hidden = running.sequence->hidden;
    if (!request.generation && reason != FinishReason::cancelled) request.first_token();
    request.close(reason);
  } catch (...) {  // from on_text
    fail(running, std::current_exception());
    return;
  }
  cache_prefix(running);
  const bool cancelled = request.draft.generation.finish == FinishReason::cancelled;
  release(running, cancelled ? counters_.cancelled : counters_.finished);
  request.finish();
}

void EngineCore::fail(Running& running, std::exception_ptr error) {
  if (running.stage == Stage::ended) return;
  release(running, counters_.failed);
  running.request->finish(std::move(error));
}

void EngineCore::fail_all(std::exception_ptr error) {
  for (const auto& running : running_) fail(*running, error);
}

void EngineCore::cache_prefix(const Running& running) noexcept {
  if (borrowed_) return;
  try {
    const RequestState& request = *running.request;
    if (request.pins && running.complete())
      prefixes_.pin(*running.sequence);
    else if (!request.generation && request.priority == Priority::high)
      prefixes_.insert_exact(*running.sequence);
    else
      prefixes_.insert(*running.sequence);
    const std::lock_guard lock(mutex_);
    counters_.pinned_prefixes = prefixes_.pinned();
    counters_.loaded_prefixes = prefixes_.loaded();
  } catch (...) {  // no memory: it is not cached
  }
}

void EngineCore::add_pages(PrefixCache::Pages& pages) const {
  for (const auto& running : running_) {
    if (running->stage == Stage::ended) continue;
    PrefixCache::add_pages(*running->sequence, pages);
    for (const auto* branches : {&running->branches, &running->active})
      for (const Branch& branch : *branches) PrefixCache::add_pages(*branch.from, pages);
  }
}

void EngineCore::enforce_kv_limit() {
  if (borrowed_) return;
  pages_.clear();
  add_pages(pages_);
  const std::size_t bytes = prefixes_.evict_to(pages_, kv_limit_);
  const std::lock_guard lock(mutex_);
  counters_.kv_bytes = bytes;
}

}  // namespace qwen::runtime
