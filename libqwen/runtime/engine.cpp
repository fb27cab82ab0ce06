#include "qwen/engine.h"

#include <utility>

#include "base/fail.h"
#include "runtime/engine_core.h"

namespace qwen {

// What the copies of a job share. The engine holds the request only.
struct EngineJob::State {
  State(std::shared_ptr<runtime::RequestState> what, std::weak_ptr<runtime::EngineCore> by)
      : request(std::move(what)), core(std::move(by)) {}
  ~State() {
    request->cancel();
    // Destroying a condition variable on which a thread of the parent process waits would never return.
    if (process.forked()) new std::shared_ptr<runtime::RequestState>(std::move(request));
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void wait_for_news(const runtime::Deadline& deadline) const {
    process.require_same("engine");
    if (request->has_news()) return;
    if (const auto engine = core.lock()) engine->wait_for_news(*request, deadline);
  }

  std::shared_ptr<runtime::RequestState> request;
  const std::weak_ptr<runtime::EngineCore> core;  // expired: the engine is gone, and the request has ended
  const ProcessCheck process;
};

std::optional<EngineChunk> EngineJob::next() {
  if (!state_) return std::nullopt;
  state_->wait_for_news({});
  return state_->request->take_news();
}

std::optional<EngineChunk> EngineJob::next(std::chrono::milliseconds wait) {
  if (!state_) return std::nullopt;
  state_->wait_for_news(runtime::deadline_after(wait));
  return state_->request->take_news();
}

bool EngineJob::done() const noexcept {
  return !state_ || state_->request->done();
}

const EngineResult& EngineJob::result() {
  if (!state_) fail(ErrorCode::invalid_argument, "result: the job is empty");
  state_->process.require_same("engine");
  if (const auto engine = state_->core.lock()) engine->wait_for_end(*state_->request);
  return state_->request->result();
}

void EngineJob::cancel() const noexcept {
  if (state_) state_->request->cancel();
}

int EngineJob::queue_position() const noexcept {
  return progress().queue_position;
}

JobProgress EngineJob::progress() const noexcept {
  if (!state_) return {};
  const runtime::RequestState& request = *state_->request;
  return {request.queue_position.load(std::memory_order_relaxed),
          request.prompt_done.load(std::memory_order_relaxed), static_cast<int>(request.prompt.size())};
}

Engine::Engine(Model model, const EngineOptions& options)
    : core_(std::make_shared<runtime::EngineCore>(std::move(model), options)) {}

Engine::~Engine() {
  if (core_->process.forked())
    new std::shared_ptr<runtime::EngineCore>(
        std::move(core_));  // its thread and locks belong to the parent process
  else
    core_->stop();
}

EngineJob Engine::submit(EngineRequest request) {
  EngineJob job;
  job.state_ = std::make_shared<EngineJob::State>(core_->submit(std::move(request)), core_);
  return job;
}

EngineJob Engine::submit(PromptRequest request) {
  EngineJob job;
  job.state_ = std::make_shared<EngineJob::State>(core_->submit(std::move(request)), core_);
  return job;
}

void Engine::pin(std::span<const Token> tokens) {
  core_->pin(tokens);
}
void Engine::drain() {
  core_->drain({});
}
bool Engine::drain(std::chrono::milliseconds wait) {
  return core_->drain(runtime::deadline_after(wait));
}
Engine::Counters Engine::counters() const {
  core_->process.require_same("engine");
  return core_->counters();
}
const Model& Engine::model() const noexcept {
  return core_->model;
}
const EngineOptions& Engine::options() const noexcept {
  return core_->options;
}

}  // namespace qwen
