#include "qwen/extractor.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "qwen/constraint.h"
#include "qwen/thinking.h"
#include "tasks/batch.h"
#include "tasks/inline_engine.h"
#include "tasks/task_rules.h"

namespace qwen {
namespace {

// Texts that an extractor without an engine computes together.
const EngineOptions kLongAnswers{.max_sequences = 8};

}  // namespace

struct Extractor::State {
  State(std::shared_ptr<Engine> with, Task data)
      : engine(std::move(with)),
        model(engine->model()),
        task(std::move(data)),
        constraint(Constraint::json_schema(task.schema)) {
    limit = engine->options().context - task.max_new_tokens;
    if (limit < 1)
      fail(ErrorCode::invalid_argument, "task ", task.name, ": max_new_tokens (", task.max_new_tokens,
           ") leaves no room for a text in the context of ", engine->options().context);
    thought = render("").thought;
    engine->pin(
        tasks::fixed_prefix([this](auto text) { return model.chat_template().encode(render(text)); }));
  }

  RenderedPrompt render(std::string_view text) const {
    ChatTemplate::RenderOptions options;
    options.enable_thinking = model.chat_template().enable_thinking(false);
    return model.chat_template().apply(task.messages(text), options);
  }
  tasks::Prompt make_prompt(std::string_view text) const {
    return tasks::make_prompt(model, task, text, limit,
                              [this](auto part) { return model.chat_template().encode(render(part)); });
  }
  void submit(tasks::PendingText& pending, const CancelToken& cancel) const {
    EngineRequest request;
    request.prompt = pending.prompt.tokens;
    request.generate.max_new_tokens = task.max_new_tokens;
    request.generate.sampling = task.sampling;
    request.generate.constraint = constraint;
    request.generate.thought = thought;
    request.generate.cancel = cancel;
    pending.job = engine->submit(std::move(request));
  }
  Extraction finish(tasks::PendingText& pending) const;
  std::vector<Extraction> extract(std::span<const std::string> texts,
                                  const Callback<std::size_t, const Extraction&>& on_result,
                                  const CancelToken& cancel) const;

  std::shared_ptr<Engine> engine;
  Model model;
  Task task;
  Constraint constraint;
  int limit = 0;                    // tokens of a prompt
  Thought thought = Thought::none;  // before the answers
};

Extraction Extractor::State::finish(tasks::PendingText& pending) const {
  const EngineResult& found = pending.job.result();
  if (found.generation.finish == FinishReason::cancelled)
    fail(ErrorCode::cancelled, "the extraction was cancelled");
  Extraction result;
  result.json = found.generation.text;
  if (thought != Thought::none) {
    ThoughtSplitter splitter(thought == Thought::begun);
    result.json = splitter.push(found.generation.text).answer;
    result.json += splitter.finish().answer;
  }
  result.prompt_tokens = found.prompt_tokens;
  result.cached_tokens = found.cached_tokens;
  result.generated_tokens = static_cast<int>(found.generation.tokens.size());
  result.truncated_tokens = pending.prompt.truncated_tokens;
  result.seconds = pending.seconds + found.total_seconds;
  result.queue_seconds = found.queue_seconds;
  return result;
}

std::vector<Extraction> Extractor::State::extract(std::span<const std::string> texts,
                                                  const Callback<std::size_t, const Extraction&>& on_result,
                                                  const CancelToken& cancel) const {
  tasks::BatchSteps<tasks::PendingText, Extraction> steps;
  steps.find_known = [](std::size_t, Extraction&) { return false; };
  steps.make_prompt = [&](std::size_t i) { return make_prompt(texts[i]); };
  steps.submit = [&](tasks::PendingText& pending) { submit(pending, cancel); };
  steps.finish = [&](tasks::PendingText& pending) { return finish(pending); };
  return tasks::run_batch(*engine, texts.size(), steps, on_result);
}

Extractor::Extractor(Model model, Task task)
    : Extractor(tasks::inline_engine(std::move(model), kLongAnswers), std::move(task)) {}

Extractor::Extractor(std::shared_ptr<Engine> engine, Task task) {
  if (!engine) fail(ErrorCode::invalid_argument, "extractor: the engine is null");
  if (task.kind != TaskKind::extract)
    fail(ErrorCode::invalid_argument, "task ", task.name, ": expected kind extract");
  tasks::require_valid(task);
  state_ = std::make_unique<State>(std::move(engine), std::move(task));
}

Extractor::Extractor(Extractor&&) noexcept = default;
Extractor& Extractor::operator=(Extractor&&) noexcept = default;
Extractor::~Extractor() = default;

const Task& Extractor::task() const noexcept {
  return state_->task;
}
const Model& Extractor::model() const noexcept {
  return state_->model;
}
const std::shared_ptr<Engine>& Extractor::engine() const noexcept {
  return state_->engine;
}

Extraction Extractor::extract(std::string_view text, const CancelToken& cancel) {
  if (cancel.cancelled()) fail(ErrorCode::cancelled, "the extraction was cancelled");
  const std::string one(text);
  return std::move(state_->extract({&one, 1}, {}, cancel).front());
}

std::vector<Extraction> Extractor::extract_batch(std::span<const std::string> texts,
                                                 const Callback<std::size_t, const Extraction&>& on_result,
                                                 const CancelToken& cancel) {
  return state_->extract(texts, on_result, cancel);
}

}  // namespace qwen
