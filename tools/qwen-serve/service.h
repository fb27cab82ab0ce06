// Everything that requests share.
#pragma once
#include <ctime>
#include <memory>
#include <string>

#include "qwen-serve/access_log.h"
#include "qwen-serve/admission.h"
#include "qwen-serve/api_keys.h"
#include "qwen-serve/client_watch.h"
#include "qwen-serve/metrics.h"
#include "qwen-serve/model_pool.h"
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
  explicit Service(const Options& options);

  const Options options;
  const long created = static_cast<long>(std::time(nullptr));  // when the server was started
  qwen::TaskRegistry tasks;
  ApiKeys keys;
  RateLimiter rates;
  Admission admission;
  qwen::ResultCache<std::shared_ptr<const Answer>> answers;
  qwen::ResultCache<qwen::Constraint> constraints{{.entries = 64}};  // by AnswerFormat::key()
  const ClassifierRegistry::Results labels;                          // null: not cached
  ModelPool models;
  SessionStore sessions;
  ClientWatch watch;
  Metrics metrics;
  std::unique_ptr<AccessLog> access_log;

  // Computes the prompts of the page's tasks, so that the first request need not.
  void warm_up() noexcept;
  // The model with this id or alias. Throws ApiError 404.
  std::size_t find_model(const std::string& name) const;
  // The model that a request names: the first one if it names none, or without --strict-model an unknown one.
  // Throws ApiError 404.
  std::size_t choose_model(const std::optional<std::string>& name) const;
  // The model of choose_model(), which is entered in the request's log. Loads it
  // if it is not loaded, and keeps it loaded as long as the result exists. Throws ApiError 404 and as ModelPool::get().
  ServedModelPtr use_model(RequestContext& context, const std::optional<std::string>& name);

 private:
  void add_model_metrics(std::size_t index);
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
