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
#include "qwen-serve/openai_response.h"
#include "qwen-serve/options.h"
#include "qwen-serve/rate_limiter.h"
#include "qwen-serve/request_context.h"
#include "qwen-serve/served_model.h"
#include "qwen-serve/sessions.h"
#include "qwen/engine.h"
#include "qwen/qwen.h"
#include "qwen/result_cache.h"

namespace qwen_serve {

struct Service {
  Service(const Options& options, const qwen::Model& model);

  const Options options;
  const long created = static_cast<long>(std::time(nullptr));  // when the model was loaded
  qwen::TaskRegistry tasks;
  ApiKeys keys;
  RateLimiter rates;
  Admission admission;
  qwen::ResultCache<std::shared_ptr<const Answer>> answers;
  qwen::ResultCache<qwen::Constraint> constraints{{.entries = 64}};  // by AnswerFormat::key()
  const ClassifierRegistry::Results labels;                          // null: not cached
  const ServedModelPtr served;
  SessionStore sessions;
  ClientWatch watch;
  Metrics metrics;
  std::unique_ptr<AccessLog> access_log;

  // Computes the prompts of the page's tasks, so that the first request need not.
  void warm_up() noexcept;
  // Throws ApiError 404 unless `name` is the model's id or alias.
  void check_model(const std::string& name) const;
  // The model that a request names; without --strict-model any name is accepted. Throws ApiError 404.
  ServedModelPtr use_model(const std::optional<std::string>& name) const;
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
