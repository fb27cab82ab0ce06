#include "qwen/classifier.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "qwen/prefix_cache.h"
#include "tasks/calibration.h"
#include "tasks/classifier_state.h"
#include "tasks/errors.h"

namespace qwen {
namespace {

// Over an engine its sessions are what counts.
ClassifierOptions resolved(const Model& model, ClassifierOptions options) {
  if (!options.engine) return options;
  tasks::check_engine(*options.engine, model);
  options.context = options.engine->options().context;
  options.kv_type = options.engine->options().kv_type;
  return options;
}

SessionOptions session_options(const ClassifierOptions& options) {
  SessionOptions out;
  out.context = options.context;
  out.kv_type = options.kv_type;
  return out;
}

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

}  // namespace

Classifier::State::State(Model handle, Task data, const ClassifierOptions& chosen)
    : model(std::move(handle)),
      task(std::move(data)),
      options(resolved(model, chosen)),
      scorer(model, task, session_options(options)),
      pool(model, session_options(options)) {
  if (!options.engine && !options.prefixes) {
    PrefixCacheOptions prefix;
    prefix.context = options.context;
    prefix.kv_type = options.kv_type;
    options.prefixes = std::make_shared<PrefixCache>(model, prefix);
  }
  // Both modes see the same prompt, however long the text.
  limit = context() - std::max(scorer.depth(), task.max_new_tokens);
  const std::vector<Token> prefix = tasks::fixed_prefix([this](auto text) { return render(text); });
  fixed_tokens = static_cast<int>(prefix.size());
  if (!options.engine)
    options.prefixes->pin(prefix);
  else if (options.pin)
    options.engine->pin(prefix);
  if (task.calibration && task.calibration->model == model.fingerprint() &&
      task.calibration->prompt == task.prompt_digest())
    calibration = task.calibration;
  make_result_key();
  measure_priors();
}

void Classifier::State::make_result_key() {
  const auto add = [&](const auto& value) {
    const std::string text = [&] {
      if constexpr (std::is_convertible_v<decltype(value), std::string_view>)
        return std::string(value);
      else
        return std::to_string(value);
    }();
    result_key += std::to_string(text.size()) + ":" + text;
  };
  add(model.fingerprint());
  add(task.name);
  add(task.version);
  add(task.prompt_digest());
  for (const Message& message : task.messages("")) add(message.content);
  add(task.user_template);
  for (const TaskLabel& label : task.labels) add(label.text);
  add(task.abstain_below);
  add(task.max_new_tokens);
  add(static_cast<int>(task.overflow));
  add(context());
  add(static_cast<int>(options.kv_type));
  if (calibration) {
    add(calibration->temperature);
    for (const double offset : calibration->offsets) add(offset);
  }
  result_key += '|';
}

void Classifier::State::measure_priors() {
  if (task.content_free.empty()) return;
  std::vector<double> mean(task.labels.size());
  const OnResult nobody;
  for (const std::string& text : task.content_free) {
    Report results(1, nobody);
    Job job = make_job(0, text);
    if (options.engine) {
      Ask asked = ask(std::move(job), ClassifyMode::score, {});
      results[0] = settle(asked, ClassifyMode::score);
    } else {
      std::vector<Job> jobs;
      jobs.push_back(std::move(job));
      score(jobs, results);
    }
    const std::vector<double> p = tasks::softmax(results[0].scores);
    for (std::size_t i = 0; i < mean.size(); ++i)
      mean[i] += p[i] / static_cast<double>(task.content_free.size());
  }
  for (const double p : mean) priors.push_back(std::log(std::max(p, 1e-300)));
}

std::vector<Token> Classifier::State::render(std::string_view text) const {
  return model.chat_template().render(task.messages(text));
}

Classifier::Prompt Classifier::State::make_prompt(std::string_view text) const {
  return tasks::make_prompt(model, task, text, limit, [this](auto part) { return render(part); });
}

Classifier::State::Job Classifier::State::make_job(std::size_t index, std::string_view text) const {
  const auto start = tasks::Clock::now();
  Job job{index, make_prompt(text)};
  job.seconds = tasks::seconds_since(start);
  return job;
}

std::string Classifier::State::key_of(std::string_view text, ClassifyMode mode) const {
  std::string key = result_key;
  key += mode == ClassifyMode::score ? 's' : 'g';
  key += text;
  return key;
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

void Classifier::State::put_known(const std::string& text, ClassifyMode mode, const Classification& result) {
  if (options.results) options.results->put(key_of(text, mode), result, bytes_of(result));
}

void Classifier::State::decide(std::vector<double> scores, Classification& result) const {
  result.scores = std::move(scores);
  for (std::size_t k = 0; k < priors.size(); ++k) result.scores[k] -= priors[k];
  tasks::decide(result, calibration ? &*calibration : nullptr, task.abstain_below);
}

GenerateOptions Classifier::State::label_generation() const {
  GenerateOptions greedy;
  greedy.max_new_tokens = task.max_new_tokens;
  greedy.sampling.temperature = 0;
  return greedy;
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

Classifier::Classifier(Model model, Task task, const ClassifierOptions& options) {
  if (task.kind != TaskKind::classify)
    tasks::fail(ErrorCode::invalid_argument, "task ", task.name, ": expected kind classify, found generate");
  if (options.batch_tokens < 1)
    tasks::fail(ErrorCode::invalid_argument, "batch_tokens: expected 1 or more, found ",
                options.batch_tokens);
  TaskRegistry().add(task);  // the rules for tasks made by hand
  state_ = std::make_unique<State>(std::move(model), std::move(task), options);
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
  return state_->options.engine;
}

const std::vector<std::vector<Token>>& Classifier::label_tokens() const noexcept {
  return state_->scorer.sequences();
}

Classifier::Prompt Classifier::prompt(std::string_view text) const {
  return state_->make_prompt(text);
}

Classification Classifier::classify(std::string_view text, ClassifyMode mode, const CancelToken& cancel) {
  if (cancel.cancelled()) tasks::fail(ErrorCode::cancelled, "the classification was cancelled");
  const std::string one(text);
  if (state_->options.engine) return std::move(state_->ask_batch({&one, 1}, mode, {}, cancel).front());
  return std::move(classify_batch({&one, 1}, mode).front());
}

Classification Classifier::classify_beside(std::string_view text, const Session::BatchItem& other,
                                           bool& joined) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const auto reset = [&](const Session::BatchItem*) { s.beside = nullptr; };
  const std::unique_ptr<const Session::BatchItem, decltype(reset)> guard(&other, reset);
  s.beside = &other;
  s.joined = false;
  const std::string one(text);
  Classification result = std::move(s.classify_batch({&one, 1}, ClassifyMode::score, {}).front());
  joined = s.joined;
  return result;
}

std::vector<Classification> Classifier::classify_batch(
    std::span<const std::string> texts, ClassifyMode mode,
    const std::function<bool(std::size_t, const Classification&)>& on_result) {
  if (state_->options.engine) return state_->ask_batch(texts, mode, on_result, {});
  const std::lock_guard lock(state_->mutex);
  return state_->classify_batch(texts, mode, on_result);
}

}  // namespace qwen
