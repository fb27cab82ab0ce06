#include "qwen/engine.h"

#include <utility>

#include "base/fail.h"
#include "runtime/engine_core.h"

namespace qwen {

// What the copies of a job share; the engine holds the task only.
struct EngineJob::State {
  explicit State(std::shared_ptr<runtime::EngineRequestState> what) : task(std::move(what)) {}
  ~State() { task->cancel(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  const std::shared_ptr<runtime::EngineRequestState> task;
};

std::optional<EngineChunk> EngineJob::next(std::chrono::milliseconds wait) {
  return state_ ? state_->task->next(wait) : std::nullopt;
}

bool EngineJob::done() const noexcept {
  return !state_ || state_->task->done();
}

const EngineResult& EngineJob::result() {
  if (!state_) fail(ErrorCode::invalid_argument, "result: the job is empty");
  return state_->task->result();
}

void EngineJob::cancel() const noexcept {
  if (state_) state_->task->cancel();
}

int EngineJob::queue_position() const noexcept {
  return state_ ? state_->task->place.load(std::memory_order_relaxed) : 0;
}

Engine::Engine(Model model, const EngineOptions& options)
    : core_(std::make_unique<runtime::EngineCore>(std::move(model), options)) {}
Engine::~Engine() = default;

EngineJob Engine::submit(EngineRequest request) {
  EngineJob job;
  job.state_ = std::make_shared<EngineJob::State>(core_->submit(std::move(request)));
  return job;
}

void Engine::pin(std::span<const Token> tokens) {
  core_->pin(tokens);
}
bool Engine::drain(std::chrono::milliseconds wait) {
  return core_->drain(wait);
}
Engine::Counters Engine::counters() const {
  return core_->counters();
}
const Model& Engine::model() const noexcept {
  return core_->model;
}
const EngineOptions& Engine::options() const noexcept {
  return core_->options;
}

}  // namespace qwen
