// Answers in sessions of the classifier's own: texts are computed together in one pass.
#include <algorithm>
#include <utility>

#include "qwen/generate.h"
#include "qwen/prefix_cache.h"
#include "tasks/classifier_state.h"

namespace qwen {
namespace {

using tasks::Clock;
using tasks::seconds_since;

constexpr std::size_t kMaxBatch = 32;  // texts in one pass
// New tokens of two prompts that share a pass: with so few, reading the weights costs more than the
// arithmetic.
constexpr std::size_t kTogether = 32;
constexpr std::size_t kMaxBatchBytes = std::size_t{128} << 20;  // of their KV, about

}  // namespace

// A few at first; when the first are done, their size is known.
std::size_t Classifier::State::max_batch() {
  const std::size_t each = pool.at(0).kv_bytes();
  return each == 0 ? 4 : std::clamp(kMaxBatchBytes / each, std::size_t{1}, kMaxBatch);
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

void Classifier::State::score(std::vector<Job>& jobs, Report& results) {
  prefill(jobs);
  std::vector<Session*> sessions;
  for (std::size_t i = 0; i < jobs.size(); ++i) sessions.push_back(&pool.at(i));
  std::vector<std::vector<double>> scores = scorer.score(sessions);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    decide(std::move(scores[i]), results[jobs[i].index]);
  }
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
    return parse_label(result.raw, open) < 0 || open;
  };
  generate(session, std::span(job.prompt.tokens).subspan(static_cast<std::size_t>(job.cached)),
           label_generation(), until_complete);
  result.label = parse_label(result.raw, open);
}

void Classifier::State::run(std::vector<Job>& jobs, ClassifyMode mode, Report& results) {
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

std::vector<Classification> Classifier::State::classify_batch(std::span<const std::string> texts,
                                                              ClassifyMode mode, const OnResult& on_result) {
  Report results(texts.size(), on_result);
  std::vector<Job> jobs;
  int tokens = 0;  // of jobs, without the fixed prompt
  const auto flush = [&](std::size_t end) {
    if (!jobs.empty()) run(jobs, mode, results);
    for (const Job& job : jobs) put_known(texts[job.index], mode, results[job.index]);
    jobs.clear();
    tokens = 0;
    return results.tell(end);
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (find_known(texts[i], mode, results[i])) continue;
    Job job = make_job(i, texts[i]);
    const int own = std::max(1, static_cast<int>(job.prompt.tokens.size()) - fixed_tokens);
    // A batch is full at batch_tokens; a text longer than that goes alone, in parts.
    const bool full = jobs.size() >= max_batch() || tokens + own > options.batch_tokens;
    if (!jobs.empty() && full && !flush(i)) return results.take();
    jobs.push_back(std::move(job));
    tokens += own;
  }
  flush(texts.size());
  return results.take();
}

}  // namespace qwen
