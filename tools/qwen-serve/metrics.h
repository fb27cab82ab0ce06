// What Prometheus reads at /metrics.
#pragma once
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "qwen-serve/request_context.h"
#include "qwen/classifier.h"

namespace qwen_serve {

class Metrics {
 public:
  Metrics();

  // A request that has been answered.
  void record(const RequestContext& context, double seconds);
  // Seconds between two pieces of a reply, for `tokens` tokens.
  void token_interval(const RequestLog& log, double seconds);
  // A text that has been classified. The label counts as "other" if the task abstained, or if the labels came with the
  // request (`own_labels`): so the number of time series is bounded.
  void count_label(const RequestLog& log, const qwen::Task& task, const qwen::Classification& found,
                   bool own_labels);

  // A number that is read when it is asked for.
  struct Reading {
    enum Kind { gauge, counter } kind;
    std::string name, help;
    std::function<double()> read;
    std::vector<std::pair<std::string, std::string>> labels = {};
  };
  void add(Reading reading);

  // The text format, version 0.0.4.
  std::string text() const;

 private:
  using Histograms = prometheus::Family<prometheus::Histogram>;
  using Counters = prometheus::Family<prometheus::Counter>;

  std::shared_ptr<prometheus::Registry> registry_;
  Counters &requests_, &prompt_tokens_, &cached_tokens_, &generated_tokens_, &cache_hits_, &cache_misses_,
      &labels_;
  Histograms &whole_, &first_token_, &interval_, &queue_;
  std::vector<Reading> readings_;
};

// The process's memory that is in RAM, in bytes.
double resident_bytes();

}  // namespace qwen_serve
