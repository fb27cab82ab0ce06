// All that requests share.
#pragma once
#include <ctime>
#include <memory>
#include <string>

#include "qwen-serve/access_log.h"
#include "qwen-serve/admission.h"
#include "qwen-serve/classifiers.h"
#include "qwen-serve/client_watch.h"
#include "qwen-serve/exchange.h"
#include "qwen-serve/metrics.h"
#include "qwen-serve/openai_response.h"
#include "qwen-serve/options.h"
#include "qwen-serve/sessions.h"
#include "qwen/engine.h"
#include "qwen/qwen.h"
#include "qwen/result_cache.h"

namespace qwen_serve {

struct Service {
  Service(const Options& options, qwen::Model model);

  const Options options;
  qwen::Model model;
  const std::string model_id;
  const long created = static_cast<long>(std::time(nullptr));  // when the model was loaded
  qwen::TaskRegistry tasks;
  ApiKeys keys;
  RateLimiter rates;
  Admission admission;
  std::shared_ptr<qwen::Engine> engine;
  qwen::ResultCache<std::shared_ptr<const Answer>> answers;
  const Classifiers::Results labels;  // null: not kept
  Classifiers classifiers;
  SessionStore sessions;
  ClientWatch watch;
  Metrics metrics;
  std::unique_ptr<AccessLog> access_log;

  // Computes the prompts of the page's tasks, so that the first request need not.
  void warm_up() noexcept;
  int context() const { return engine->options().context; }
  int max_prompt() const;  // tokens
  // What a completion takes where neither the request nor a task says.
  qwen::SamplingOptions default_sampling() const;
  // ApiError 400 where a prompt is longer.
  void check_prompt(std::size_t tokens, const char* field) const;
  // The id of a model that a request names: one of these, or absent.
  void check_model(const std::string& name) const;
};

// A request that has been let in: its place, and the watch over its client. Counts as one of `places`.
class Work {
 public:
  Work(Service& service, Exchange& exchange, int places = 1);
  const qwen::CancelToken& token() const noexcept { return guard_.token(); }
  // Throws where the work was cut short: ApiError 499, 503 or 504.
  void check() const;

 private:
  Admission::Ticket ticket_;
  ClientWatch::Guard guard_;
  const Options& options_;
};

std::uint64_t random_seed();

// What a finished job adds to the record.
void note(Service& service, Record& record, const qwen::EngineResult& result);

}  // namespace qwen_serve
