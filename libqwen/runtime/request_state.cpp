#include "runtime/request_state.h"

#include <utility>

namespace qwen::runtime {

EngineRequestState::EngineRequestState(const Model& model, EngineRequest wanted)
    : request(std::move(wanted)) {
  draft.prompt_tokens = static_cast<int>(request.prompt.size());
  if (request.on_prompt) return;
  generation.emplace(model, request.generate, [this](std::string_view text) {
    fresh_ += text;
    return !request.on_text || request.on_text(text);
  });
}

std::optional<EngineChunk> EngineRequestState::next(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [&] { return ended_ || !pending_.text.empty(); });
  if (pending_.text.empty() && !(ended_ && !pending_.tokens.empty())) return std::nullopt;
  return std::exchange(pending_, {});
}

bool EngineRequestState::done() {
  const std::lock_guard lock(mutex_);
  return ended_ && pending_.text.empty() && pending_.tokens.empty();
}

const EngineResult& EngineRequestState::result() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_; });
  if (error_) std::rethrow_exception(error_);
  return result_;
}

void EngineRequestState::begin() {
  begun_ = true;
  draft.queue_seconds = seconds();
  if (generation) generation->start();
}

void EngineRequestState::publish() {
  const GenerateResult& all = generation->result();
  if (fresh_.empty() && published_ == all.tokens.size()) return;
  const auto add_new = [&](auto& to, const auto& from) {
    if (from.size() > published_)
      to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(published_), from.end());
  };
  const std::lock_guard lock(mutex_);
  pending_.text += fresh_;
  add_new(pending_.tokens, all.tokens);
  add_new(pending_.logprobs, all.logprobs);
  add_new(pending_.alternatives, all.alternatives);
  published_ = all.tokens.size();
  const bool text = !fresh_.empty();
  fresh_.clear();
  if (text) changed_.notify_all();
}

void EngineRequestState::close(FinishReason reason) {
  if (!generation) {
    draft.generation.finish = reason;
    return;
  }
  if (!generation->ended()) generation->end(reason);
  publish();
  draft.generation = generation->take_result();
}

void EngineRequestState::finish(std::exception_ptr error) {
  draft.total_seconds = seconds();
  if (!begun_) draft.queue_seconds = draft.total_seconds;
  const std::lock_guard lock(mutex_);
  result_ = std::move(draft);
  error_ = std::move(error);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace qwen::runtime
