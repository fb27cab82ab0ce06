// All that requests share.
#pragma once
#include <memory>
#include <string>

#include "qwen-serve/access_log.h"
#include "qwen-serve/admission.h"
#include "qwen-serve/client_watch.h"
#include "qwen-serve/exchange.h"
#include "qwen-serve/metrics.h"
#include "qwen-serve/options.h"
#include "qwen/qwen.h"

namespace qwen_serve {

struct Service {
  Service(const Options& options, qwen::Model model);

  const Options options;
  qwen::Model model;
  const std::string model_id;
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  qwen::TaskRegistry tasks;
  ApiKeys keys;
  RateLimiter rates;
  Admission admission;
  ClientWatch watch;
  Metrics metrics;
  std::unique_ptr<AccessLog> access_log;

  int context() const;
  int max_prompt() const;  // tokens
  // The id of a model that a request names: one of these, or absent.
  void check_model(const std::string& name) const;
};

}  // namespace qwen_serve
