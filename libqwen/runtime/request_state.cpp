#include "runtime/request_state.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace qwen {

struct Continuations::State {
  std::vector<std::vector<Token>> sequences;
  runtime::TokenTree tree;
  int depth = 0;
};

Continuations::Continuations(std::vector<std::vector<Token>> sequences) {
  auto state = std::make_shared<State>();
  auto& nodes = state->tree.nodes;
  nodes.resize(1);
  if (sequences.empty()) fail(ErrorCode::invalid_argument, "continuations: expected at least one sequence");
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i].empty()) fail(ErrorCode::invalid_argument, "continuations: sequence ", i, " is empty");
    std::size_t at = 0;
    ++nodes[at].through;
    for (const Token token : sequences[i]) {
      const auto& children = nodes[at].children;
      const auto found = std::ranges::find_if(
          children, [&](int child) { return nodes[static_cast<std::size_t>(child)].token == token; });
      std::size_t next = nodes.size();
      if (found != children.end()) {
        next = static_cast<std::size_t>(*found);
      } else {
        nodes[at].children.push_back(static_cast<int>(next));
        nodes.push_back({token, -1, 0, {}});
      }
      at = next;
      ++nodes[at].through;
    }
    if (nodes[at].ending >= 0)
      fail(ErrorCode::invalid_argument, "continuations: sequences ", nodes[at].ending, " and ", i,
           " are equal");
    nodes[at].ending = static_cast<int>(i);
    state->depth = std::max(state->depth, static_cast<int>(sequences[i].size()));
  }
  state->sequences = std::move(sequences);
  state_ = std::move(state);
}

const std::vector<std::vector<Token>>& Continuations::sequences() const noexcept {
  return state_->sequences;
}
int Continuations::depth() const noexcept {
  return state_->depth;
}

namespace runtime {

Deadline deadline_after(std::chrono::milliseconds wait) {
  const auto now = RequestState::Clock::now();
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(RequestState::Clock::time_point::max() - now);
  return wait >= left ? Deadline() : Deadline(now + wait);
}

RequestState::RequestState(const Model& model, EngineRequest wanted, int context,
                           std::shared_ptr<DraftSource> drafts)
    : prompt(std::move(wanted.prompt)),
      priority(wanted.priority),
      token_(wanted.generate.cancel),
      on_text_(std::move(wanted.on_text)) {
  draft.prompt_tokens = static_cast<int>(prompt.size());
  const int room = context - draft.prompt_tokens + 1;  // the last token is never in the cache
  generation.emplace(
      model, wanted.generate, room,
      [this](std::string_view text) {
        fresh_ += text;
        return on_text_(text);
      },
      std::move(drafts));
}

RequestState::RequestState(PromptRequest wanted)
    : prompt(std::move(wanted.prompt)),
      priority(wanted.priority),
      continuations(std::move(wanted.continuations)),
      wants_hidden(wanted.hidden),
      token_(wanted.cancel) {
  draft.prompt_tokens = static_cast<int>(prompt.size());
}

const TokenTree& RequestState::tree() const noexcept {
  return continuations->state_->tree;
}

bool RequestState::has_news() const {
  const std::lock_guard lock(mutex_);
  return ended_ || is_news();
}

bool RequestState::has_ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

bool RequestState::done() const {
  const std::lock_guard lock(mutex_);
  return ended_ && !is_news() && pending_.tokens.empty();
}

void RequestState::wait_for_news(const Deadline& deadline) {
  std::unique_lock lock(mutex_);
  const auto news = [&] { return ended_ || is_news(); };
  if (deadline)
    changed_.wait_until(lock, *deadline, news);
  else
    changed_.wait(lock, news);
}

std::optional<EngineChunk> RequestState::take_news() {
  const std::lock_guard lock(mutex_);
  if (!is_news() && !(ended_ && !pending_.tokens.empty())) return std::nullopt;
  return std::exchange(pending_, {});
}

const EngineResult& RequestState::result() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_; });
  if (error_) std::rethrow_exception(error_);
  return result_;
}

void RequestState::begin() {
  begun_ = true;
  draft.queue_seconds = seconds();
  if (generation) generation->start();
}

void RequestState::publish() {
  const GenerateResult& all = generation->result();
  if (fresh_.empty() && published_ == all.tokens.size() && published_prompt_ == all.prompt_logprobs.size())
    return;
  const auto add_new = [](auto& to, const auto& from, std::size_t known) {
    if (from.size() > known)
      to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(known), from.end());
  };
  const std::lock_guard lock(mutex_);
  pending_.text += fresh_;
  add_new(pending_.tokens, all.tokens, published_);
  add_new(pending_.logprobs, all.logprobs, published_);
  add_new(pending_.alternatives, all.alternatives, published_);
  add_new(pending_.prompt_logprobs, all.prompt_logprobs, published_prompt_);
  add_new(pending_.prompt_alternatives, all.prompt_alternatives, published_prompt_);
  published_ = all.tokens.size();
  published_prompt_ = all.prompt_logprobs.size();
  fresh_.clear();
  if (is_news()) changed_.notify_all();
}

void RequestState::close(FinishReason reason) {
  if (!generation) {
    draft.generation.finish = reason;
    return;
  }
  if (!generation->ended()) generation->end(reason);
  publish();
  draft.generation = generation->take_result();
}

void RequestState::finish(std::exception_ptr error) {
  draft.total_seconds = seconds();
  if (!begun_) draft.queue_seconds = draft.total_seconds;
  const std::lock_guard lock(mutex_);
  result_ = std::move(draft);
  error_ = std::move(error);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace runtime
}  // namespace qwen
