#include "qwen/classifier.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <optional>
#include <utility>

#include "qwen/generate.h"
#include "qwen/prefix_cache.h"
#include "tasks/calibration.h"
#include "tasks/engine_request.h"
#include "tasks/errors.h"
#include "tasks/label_scorer.h"
#include "tasks/prompt.h"

namespace qwen {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxBatch = 32;  // texts in one pass
// New tokens of two prompts that share a pass: with so few, reading the weights costs more than the
// arithmetic.
constexpr std::size_t kTogether = 32;
constexpr std::size_t kMaxBatchBytes = std::size_t{128} << 20;  // of their KV, about

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

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

// The longest label that the answer begins with; `open` tells whether more text could make it a longer one.
int stated_label(const Task& task, std::string_view answer, bool& open) {
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

GenerateOptions label_generation(const Task& task) {
  GenerateOptions greedy;
  greedy.max_new_tokens = task.max_new_tokens;
  greedy.sampling.temperature = 0;
  return greedy;
}

std::size_t bytes_of(const Classification& result) {
  return sizeof result + result.raw.size() +
         (result.probabilities.size() + result.logprobs.size() + result.scores.size()) * sizeof(double);
}

}  // namespace

struct Classifier::State {
  State(Model handle, Task data, const ClassifierOptions& chosen)
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
    const std::vector<Token> prefix = tasks::fixed_prefix(model, task);
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

  int context() { return options.engine ? options.context : pool.at(0).context(); }
  void make_result_key();
  void measure_priors();
  std::string key_of(std::string_view text, ClassifyMode mode) const {
    std::string key = result_key;
    key += mode == ClassifyMode::score ? 's' : 'g';
    key += text;
    return key;
  }
  // The texts of one pass.
  struct Job {
    std::size_t index;
    Prompt prompt;
    int cached = 0;
    double seconds = 0;
  };
  // A few at first; when the first are done, their size is known.
  std::size_t max_batch() {
    const std::size_t each = pool.at(0).kv_bytes();
    return each == 0 ? 4 : std::clamp(kMaxBatchBytes / each, std::size_t{1}, kMaxBatch);
  }
  void prefill(std::vector<Job>& jobs);
  const Session::BatchItem* beside = nullptr;  // rides in the next pass, if that is worth it
  bool joined = false;                         // it did
  void score(std::vector<Job>& jobs, std::vector<Classification>& results);
  void generate_label(Job& job, Classification& result);
  void run(std::vector<Job>& jobs, ClassifyMode mode, std::vector<Classification>& results);

  using OnResult = std::function<bool(std::size_t, const Classification&)>;
  std::vector<Classification> classify_batch(std::span<const std::string> texts, ClassifyMode mode,
                                             const OnResult& on_result);
  // Whether the answer is in the result cache.
  bool find_known(const std::string& text, ClassifyMode mode, Classification& result);
  void put_known(const std::string& text, ClassifyMode mode, const Classification& result);
  void decide(std::vector<double> scores, Classification& result) const;

  // ---- over the engine
  // A text that it computes. What the engine's thread writes lies on the heap: it stays where it is.
  struct Answer {
    std::vector<double> scores;
    std::string raw;
    bool complete = false;
  };
  struct Ask {
    Job job;
    std::unique_ptr<Answer> answer;
    tasks::Asked asked;
  };
  Ask ask(Job job, ClassifyMode mode, const CancelToken& cancel);
  Classification settle(Ask& ask, ClassifyMode mode);
  std::vector<Classification> ask_batch(std::span<const std::string> texts, ClassifyMode mode,
                                        const OnResult& on_result, const CancelToken& cancel);

  std::mutex mutex;  // held by the calls of the Classifier, but not over the engine
  Model model;
  Task task;
  ClassifierOptions options;
  tasks::LabelScorer scorer;
  tasks::SessionPool pool;
  int limit = 0;         // tokens of a prompt
  int fixed_tokens = 0;  // of these, the same for every text
  std::optional<Calibration> calibration;
  std::vector<double> priors;  // [labels] log-probabilities on content-free texts; empty: none
  std::string result_key;
};

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
  std::vector<Classification> results(1);
  for (const std::string& text : task.content_free) {
    std::vector<Job> jobs;
    jobs.push_back({0, tasks::make_prompt(model, task, text, limit)});
    if (options.engine) {
      Ask asked = ask(std::move(jobs[0]), ClassifyMode::score, {});
      results[0] = settle(asked, ClassifyMode::score);
    } else {
      score(jobs, results);
    }
    const std::vector<double> p = tasks::softmax(results[0].scores);
    for (std::size_t i = 0; i < mean.size(); ++i)
      mean[i] += p[i] / static_cast<double>(task.content_free.size());
  }
  for (const double p : mean) priors.push_back(std::log(std::max(p, 1e-300)));
}

// Leaves job i's prompt in session i, its last token computed.
void Classifier::State::prefill(std::vector<Job>& jobs) {
  std::vector<Session::BatchItem> items;
  std::vector<std::size_t> computed;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Session& session = pool.at(i);
    jobs[i].cached = options.prefixes->begin(session, jobs[i].prompt.tokens);
    const auto rest =
        std::span<const Token>(jobs[i].prompt.tokens).subspan(static_cast<std::size_t>(jobs[i].cached));
    if (!rest.empty()) items.push_back({&session, rest, false, {}});
  }
  if (beside && items.size() == 1 && items[0].tokens.size() + beside->tokens.size() <= kTogether) {
    items.push_back(*beside);
    joined = true;
  }
  if (items.size() == 1)
    items[0].session->prefill(items[0].tokens);  // in parts, where it is long
  else
    Session::forward_batch(items);
  if (jobs.size() == 1 && !items.empty()) options.prefixes->remember(pool.at(0));
}

void Classifier::State::score(std::vector<Job>& jobs, std::vector<Classification>& results) {
  prefill(jobs);
  std::vector<Session*> sessions;
  for (std::size_t i = 0; i < jobs.size(); ++i) sessions.push_back(&pool.at(i));
  std::vector<std::vector<double>> scores = scorer.score(sessions);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    decide(std::move(scores[i]), results[jobs[i].index]);
  }
}

void Classifier::State::decide(std::vector<double> scores, Classification& result) const {
  result.scores = std::move(scores);
  for (std::size_t k = 0; k < priors.size(); ++k) result.scores[k] -= priors[k];
  tasks::decide(result, calibration ? &*calibration : nullptr, task.abstain_below);
}

void Classifier::State::generate_label(Job& job, Classification& result) {
  Session& session = pool.at(0);
  job.cached = options.prefixes->begin(session, job.prompt.tokens);
  const int size = static_cast<int>(job.prompt.tokens.size());
  job.cached = std::min(job.cached, size - 1);  // the last token's logits are needed
  session.rewind(job.cached);
  bool open = false;
  const auto until_complete = [&](std::string_view text) {
    result.raw += text;
    return stated_label(task, result.raw, open) < 0 || open;
  };
  generate(session, std::span(job.prompt.tokens).subspan(static_cast<std::size_t>(job.cached)),
           label_generation(task), until_complete);
  result.label = stated_label(task, result.raw, open);
}

void Classifier::State::run(std::vector<Job>& jobs, ClassifyMode mode, std::vector<Classification>& results) {
  const auto start = Clock::now();
  if (mode == ClassifyMode::score) {
    score(jobs, results);
  } else {
    for (Job& job : jobs) {
      const auto own = Clock::now();
      generate_label(job, results[job.index]);
      job.seconds += seconds_since(own);
    }
  }
  const double taken = seconds_since(start);
  double all = 0;
  for (const Job& job : jobs) all += static_cast<double>(job.prompt.tokens.size()) - job.cached + 1;
  for (const Job& job : jobs) {
    Classification& result = results[job.index];
    const double own = static_cast<double>(job.prompt.tokens.size()) - job.cached + 1;
    result.prompt_tokens = static_cast<int>(job.prompt.tokens.size());
    result.cached_tokens = job.cached;
    result.truncated_tokens = job.prompt.truncated_tokens;
    result.seconds = job.seconds + (mode == ClassifyMode::score ? taken * own / all : 0);
  }
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
  return tasks::make_prompt(state_->model, state_->task, text, state_->limit);
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

bool Classifier::State::find_known(const std::string& text, ClassifyMode mode, Classification& result) {
  const auto start = Clock::now();
  if (!options.results) return false;
  auto known = options.results->find(key_of(text, mode));
  if (!known) return false;
  result = std::move(*known);
  result.cached = true;
  result.cached_tokens = result.prompt_tokens;
  result.queue_seconds = 0;
  result.seconds = seconds_since(start);
  return true;
}

void Classifier::State::put_known(const std::string& text, ClassifyMode mode, const Classification& result) {
  if (options.results) options.results->put(key_of(text, mode), result, bytes_of(result));
}

std::vector<Classification> Classifier::State::classify_batch(std::span<const std::string> texts,
                                                              ClassifyMode mode, const OnResult& on_result) {
  std::vector<Classification> results(texts.size());
  std::vector<Job> jobs;
  std::size_t reported = 0;
  int tokens = 0;  // of jobs, without the fixed prompt
  const auto flush = [&](std::size_t end) {
    if (!jobs.empty()) run(jobs, mode, results);
    for (const Job& job : jobs) put_known(texts[job.index], mode, results[job.index]);
    jobs.clear();
    tokens = 0;
    for (; reported < end; ++reported)
      if (on_result && !on_result(reported, results[reported])) return false;
    return true;
  };
  const auto cut = [&](std::size_t count) {
    results.resize(count);
    return std::move(results);
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto start = Clock::now();
    if (find_known(texts[i], mode, results[i])) continue;
    Job job{i, tasks::make_prompt(model, task, texts[i], limit)};
    job.seconds = seconds_since(start);
    const int own = std::max(1, static_cast<int>(job.prompt.tokens.size()) - fixed_tokens);
    // A batch is full at batch_tokens; a text longer than that goes alone, in parts.
    const bool full = jobs.size() >= max_batch() || tokens + own > options.batch_tokens;
    if (!jobs.empty() && full && !flush(i)) return cut(reported + 1);
    jobs.push_back(std::move(job));
    tokens += own;
  }
  if (!flush(texts.size())) return cut(reported + 1);
  return results;
}

Classifier::State::Ask Classifier::State::ask(Job job, ClassifyMode mode, const CancelToken& cancel) {
  auto answer = std::make_unique<Answer>();
  EngineRequest request;
  request.prompt = job.prompt.tokens;
  request.priority = Priority::interactive;
  if (mode == ClassifyMode::score) {
    request.on_prompt = [this, out = answer.get()](Session& session) {
      Session* const one = &session;
      out->scores = std::move(scorer.score({&one, 1}).front());
      out->complete = true;
    };
  } else {
    request.generate = label_generation(task);
    request.on_text = [this, out = answer.get()](std::string_view text) {
      bool open = false;
      out->raw += text;
      out->complete = stated_label(task, out->raw, open) >= 0 && !open;
      return !out->complete;
    };
  }
  request.generate.cancel = cancel;
  return {std::move(job), std::move(answer), tasks::Asked(*options.engine, std::move(request))};
}

Classification Classifier::State::settle(Ask& ask, ClassifyMode mode) {
  const EngineResult& found = ask.asked.result();
  if (found.generation.finish == FinishReason::cancelled && !ask.answer->complete)
    tasks::fail(ErrorCode::cancelled, "the classification was cancelled");
  Classification result;
  if (mode == ClassifyMode::score) {
    decide(std::move(ask.answer->scores), result);
  } else {
    bool open = false;
    result.raw = std::move(ask.answer->raw);
    result.label = stated_label(task, result.raw, open);
  }
  result.prompt_tokens = found.prompt_tokens;
  result.cached_tokens = found.cached_tokens;
  result.truncated_tokens = ask.job.prompt.truncated_tokens;
  result.seconds = ask.job.seconds + found.total_seconds;
  result.queue_seconds = found.queue_seconds;
  return result;
}

// A few texts at once; where the engine has no room for more, one of them is waited for.
std::vector<Classification> Classifier::State::ask_batch(std::span<const std::string> texts,
                                                         ClassifyMode mode, const OnResult& on_result,
                                                         const CancelToken& cancel) {
  const auto at_once = static_cast<std::size_t>(options.engine->options().parallel) + 2;
  std::vector<Classification> results(texts.size());
  std::deque<Ask> asked;
  std::size_t reported = 0;
  // Those before `end` are known. False where the caller wants no more.
  const auto report = [&](std::size_t end) {
    for (; reported < end; ++reported)
      if (on_result && !on_result(reported, results[reported])) return false;
    return true;
  };
  const auto settle_first = [&] {
    const std::size_t index = asked.front().job.index;
    results[index] = settle(asked.front(), mode);
    asked.pop_front();
    put_known(texts[index], mode, results[index]);
    return report(index + 1);
  };
  const auto cut = [&] {
    results.resize(reported + 1);
    return std::move(results);
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto start = Clock::now();
    if (find_known(texts[i], mode, results[i])) {
      if (asked.empty() && !report(i + 1)) return cut();
      continue;
    }
    Job job{i, tasks::make_prompt(model, task, texts[i], limit)};
    job.seconds = seconds_since(start);
    if (asked.size() >= at_once && !settle_first()) return cut();
    for (bool done = false; !done;) {
      try {
        asked.push_back(ask(job, mode, cancel));
        done = true;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::busy || asked.empty()) throw;
        if (!settle_first()) return cut();
      }
    }
  }
  while (!asked.empty())
    if (!settle_first()) return cut();
  if (!report(texts.size())) return cut();
  return results;
}

}  // namespace qwen
