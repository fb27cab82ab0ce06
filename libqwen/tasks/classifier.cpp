#include "qwen/classifier.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "tasks/batch.h"
#include "tasks/calibration.h"
#include "tasks/clock.h"
#include "tasks/inline_engine.h"
#include "tasks/label_tokens.h"
#include "tasks/prompt.h"
#include "tasks/task_rules.h"

namespace qwen {
namespace {

// White space and the quotes that models put around a label.
std::string_view trim_opening(std::string_view text) {
  constexpr std::string_view openings[] = {" ", "\n", "\r", "\t", "\"", "'", "“", "‘", "「"};
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view opening : openings)
      if (text.starts_with(opening)) text.remove_prefix(opening.size()), again = true;
  }
  return text;
}

std::size_t bytes_of(const Classification& result) {
  return sizeof result + result.raw.size() +
         (result.probabilities.size() + result.logprobs.size() + result.scores.size()) * sizeof(double);
}

using OnClassification = Callback<std::size_t, const Classification&>;

}  // namespace

struct Classifier::State {
  struct PendingRequest : tasks::PendingText {
    using PendingText::PendingText;
    ~PendingRequest() { end_job(); }
    // In generate mode, written by the engine's thread until the job has ended.
    std::string raw{};  // the text so far
    bool complete = false;
  };

  State(std::shared_ptr<Engine> with, Task data, const ClassifierOptions& chosen);
  void make_result_key();
  void measure_priors();
  std::vector<Token> render(std::string_view text) const {
    return model.chat_template().render(task.messages(text));
  }
  Prompt make_prompt(std::string_view text) const {
    return tasks::make_prompt(model, task, text, limit, [this](auto part) { return render(part); });
  }

  std::string key_of(std::string_view text, ClassifyMode mode) const {
    return result_key + (mode == ClassifyMode::score ? 's' : 'g') + std::string(text);
  }
  bool find_known(const std::string& text, ClassifyMode mode, Classification& result);
  // The longest label that the answer begins with, or -1; `open`: more text could make it a longer one.
  int parse_label(std::string_view answer, bool& open) const;
  void submit(PendingRequest& pending, ClassifyMode mode, const CancelToken& cancel);
  Classification finish(PendingRequest& pending, ClassifyMode mode);
  std::vector<Classification> classify(std::span<const std::string> texts, ClassifyMode mode,
                                       const OnClassification& on_result, const CancelToken& cancel);

  std::shared_ptr<Engine> engine;
  Model model;
  Task task;
  ClassifierOptions options;
  Continuations labels;
  int limit = 0;  // tokens of a prompt
  std::optional<Calibration> calibration;
  std::vector<double> priors;  // [labels] log-probabilities on content-free texts; empty: none
  std::string result_key;
};

Classifier::State::State(std::shared_ptr<Engine> with, Task data, const ClassifierOptions& chosen)
    : engine(std::move(with)),
      model(engine->model()),
      task(std::move(data)),
      options(chosen),
      labels(tasks::label_tokens(model, task)) {
  // Both modes see the same prompt, however long the text.
  limit = engine->options().context - std::max(labels.depth(), task.max_new_tokens);
  if (options.pin) engine->pin(tasks::fixed_prefix([this](auto text) { return render(text); }));
  if (task.calibration && task.calibration->model == model.fingerprint() &&
      task.calibration->prompt == task.prompt_digest())
    calibration = task.calibration;
  make_result_key();
  measure_priors();
}

void Classifier::State::make_result_key() {
  const auto add = [&](const auto& value) {
    const std::string text = cat(value);
    result_key += cat(text.size(), ":", text);
  };
  add(model.fingerprint());
  add(task.name);
  add(task.version);
  add(task.prompt_digest());
  for (const Message& message : task.messages("")) add(message.content);
  add(task.user_template);
  for (const TaskLabel& label : task.labels) add(label.text);
  add(task.max_new_tokens);
  add(static_cast<int>(task.overflow));
  add(engine->options().context);
  add(static_cast<int>(engine->options().kv_type));
  const auto add_bits = [&](double value) {
    result_key.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  add_bits(task.abstain_below);
  if (calibration) {
    add_bits(calibration->temperature);
    for (const double offset : calibration->offsets) add_bits(offset);
  }
  result_key += '|';
}

void Classifier::State::measure_priors() {
  if (task.content_free.empty()) return;
  std::vector<double> mean(task.labels.size());
  for (const Classification& result : classify(task.content_free, ClassifyMode::score, {}, {})) {
    const std::vector<double> p = tasks::softmax(result.scores);
    for (std::size_t i = 0; i < mean.size(); ++i)
      mean[i] += p[i] / static_cast<double>(task.content_free.size());
  }
  for (const double p : mean) priors.push_back(std::log(std::max(p, 1e-300)));
}

bool Classifier::State::find_known(const std::string& text, ClassifyMode mode, Classification& result) {
  const auto start = tasks::Clock::now();
  if (!options.results) return false;
  auto known = options.results->find(key_of(text, mode));
  if (!known) return false;
  result = std::move(*known);
  result.cached = true;
  result.cached_tokens = result.prompt_tokens;
  result.queue_seconds = 0;
  result.seconds = tasks::seconds_since(start);
  return true;
}

int Classifier::State::parse_label(std::string_view answer, bool& open) const {
  answer = trim_opening(answer);
  int found = -1;
  open = false;
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    const std::string& label = task.labels[i].text;
    if (answer.starts_with(label)) {
      if (found < 0 || label.size() > task.labels[static_cast<std::size_t>(found)].text.size())
        found = static_cast<int>(i);
    } else if (std::string_view(label).starts_with(answer)) {
      open = true;
    }
  }
  return found;
}

void Classifier::State::submit(PendingRequest& pending, ClassifyMode mode, const CancelToken& cancel) {
  if (mode == ClassifyMode::score) {
    PromptRequest request;
    request.prompt = pending.prompt.tokens;
    request.continuations = labels;
    request.cancel = cancel;
    pending.job = engine->submit(std::move(request));
    return;
  }
  EngineRequest request;
  request.prompt = pending.prompt.tokens;
  request.priority = Priority::high;
  request.generate.max_new_tokens = task.max_new_tokens;
  request.generate.sampling.emplace().temperature = 0;
  request.generate.cancel = cancel;
  request.on_text = [this, out = &pending](std::string_view text) {
    bool open = false;
    out->raw += text;
    out->complete = parse_label(out->raw, open) >= 0 && !open;
    return !out->complete;
  };
  pending.job = engine->submit(std::move(request));
}

Classification Classifier::State::finish(PendingRequest& pending, ClassifyMode mode) {
  const EngineResult& found = pending.job.result();
  if (found.generation.finish == FinishReason::cancelled && !pending.complete)
    fail(ErrorCode::cancelled, "the classification was cancelled");
  Classification result;
  if (mode == ClassifyMode::score) {
    result.scores = found.scores;
    for (std::size_t k = 0; k < priors.size(); ++k) result.scores[k] -= priors[k];
    tasks::decide(result, calibration ? &*calibration : nullptr, task.abstain_below);
  } else {
    bool open = false;
    result.raw = std::move(pending.raw);
    result.label = parse_label(result.raw, open);
  }
  result.prompt_tokens = found.prompt_tokens;
  result.cached_tokens = found.cached_tokens;
  result.truncated_tokens = pending.prompt.truncated_tokens;
  result.seconds = pending.seconds + found.total_seconds;
  result.queue_seconds = found.queue_seconds;
  return result;
}

std::vector<Classification> Classifier::State::classify(std::span<const std::string> texts, ClassifyMode mode,
                                                        const OnClassification& on_result,
                                                        const CancelToken& cancel) {
  tasks::BatchSteps<PendingRequest, Classification> steps;
  steps.find_known = [&](std::size_t i, Classification& result) {
    return find_known(texts[i], mode, result);
  };
  steps.make_prompt = [&](std::size_t i) { return make_prompt(texts[i]); };
  steps.submit = [&](PendingRequest& pending) { submit(pending, mode, cancel); };
  steps.finish = [&](PendingRequest& pending) {
    Classification result = finish(pending, mode);
    if (options.results)
      options.results->insert(key_of(texts[pending.index], mode), result, bytes_of(result));
    return result;
  };
  return tasks::run_batch(*engine, texts.size(), steps, on_result);
}

Classifier::Classifier(Model model, Task task, const ClassifierOptions& options)
    : Classifier(tasks::inline_engine(std::move(model), tasks::kTogether), std::move(task), options) {}

Classifier::Classifier(std::shared_ptr<Engine> engine, Task task, const ClassifierOptions& options) {
  if (!engine) fail(ErrorCode::invalid_argument, "classifier: the engine is null");
  if (task.kind != TaskKind::classify)
    fail(ErrorCode::invalid_argument, "task ", task.name, " is a chat task; expected a classifier");
  tasks::require_valid(task);
  // A label after the beginning of a thought is not an answer.
  if (engine->model().chat_template().thinking() == ChatTemplate::Thinking::always)
    fail(ErrorCode::unsupported, "task ", task.name,
         ": the model's chat template always begins a thought; a classifier needs one that can do without");
  state_ = std::make_unique<State>(std::move(engine), std::move(task), options);
}

Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;
Classifier::~Classifier() = default;

const Task& Classifier::task() const noexcept {
  return state_->task;
}
const Model& Classifier::model() const noexcept {
  return state_->model;
}
bool Classifier::calibrated() const noexcept {
  return state_->calibration.has_value();
}
const std::shared_ptr<Engine>& Classifier::engine() const noexcept {
  return state_->engine;
}
const std::vector<std::vector<Token>>& Classifier::label_tokens() const noexcept {
  return state_->labels.sequences();
}

Classifier::Prompt Classifier::prompt(std::string_view text) const {
  return state_->make_prompt(text);
}

Classification Classifier::classify(std::string_view text, ClassifyMode mode, const CancelToken& cancel) {
  if (cancel.cancelled()) fail(ErrorCode::cancelled, "the classification was cancelled");
  const std::string one(text);
  return std::move(state_->classify({&one, 1}, mode, {}, cancel).front());
}

std::vector<Classification> Classifier::classify_batch(std::span<const std::string> texts, ClassifyMode mode,
                                                       const OnClassification& on_result,
                                                       const CancelToken& cancel) {
  return state_->classify(texts, mode, on_result, cancel);
}

}  // namespace qwen
