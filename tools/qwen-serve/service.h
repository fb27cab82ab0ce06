// Everything that requests share.
#pragma once
#include <ctime>
#include <memory>
#include <span>
#include <string>

#include "qwen-serve/access_log.h"
#include "qwen-serve/admission.h"
#include "qwen-serve/api_keys.h"
#include "qwen-serve/classifier_registry.h"
#include "qwen-serve/client_watch.h"
#include "qwen-serve/metrics.h"
#include "qwen-serve/openai_response.h"
#include "qwen-serve/options.h"
#include "qwen-serve/rate_limiter.h"
#include "qwen-serve/request_context.h"
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
  qwen::ResultCache<qwen::Constraint> constraints{{.entries = 64}};  // by AnswerFormat::key()
  const ClassifierRegistry::Results labels;                          // null: not cached
  ClassifierRegistry classifiers;
  SessionStore sessions;
  ClientWatch watch;
  Metrics metrics;
  std::unique_ptr<AccessLog> access_log;

  // Computes the prompts of the page's tasks, so that the first request need not.
  void warm_up() noexcept;
  int context() const { return engine->options().context; }
  int max_prompt() const;  // tokens
  // Sampling options of a completion, unless the request sets them.
  qwen::SamplingOptions default_sampling() const;
  // Throws ApiError 400 if a prompt is longer than max_prompt() or fills the context.
  void check_prompt(std::size_t tokens, const char* field) const;
  // Throws ApiError 400 if a token id is not in the vocabulary.
  void check_tokens(std::span<const qwen::Token> tokens, const char* field) const;
  // Throws ApiError 404 unless `name` is the model's id or alias. Without --strict-model requests may name any.
  void check_model(const std::string& name) const;
  void check_request_model(const std::string& name) const;
};

// A request that may use the model: its places, and the watch over its client.
class AdmittedRequest {
 public:
  AdmittedRequest(Service& service, RequestContext& context, int places = 1);
  const qwen::CancelToken& token() const noexcept { return guard_.token(); }
  // Throws ApiError 499, 503 or 504 if the client is gone, the server shuts down, or time is up.
  void check() const;

 private:
  Admission::Ticket ticket_;
  ClientWatch::Guard guard_;
  const Options& options_;
};

std::uint64_t random_seed();

// Adds a finished job to the request's log and the metrics.
void note(Service& service, RequestLog& log, const qwen::EngineResult& result);

}  // namespace qwen_serve
