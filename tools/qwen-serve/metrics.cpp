#include "qwen-serve/metrics.h"

#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>

namespace qwen_serve {
namespace {

using prometheus::MetricType;

const prometheus::Histogram::BucketBoundaries kSeconds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                          1,     2.5,  5,     10,   25,  50,   100};
const prometheus::Histogram::BucketBoundaries kIntervals = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05,
                                                            0.075, 0.1,    0.15,  0.2,  0.3,  0.5,  1};

prometheus::Family<prometheus::Histogram>& histogram(prometheus::Registry& registry, const char* name,
                                                     const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Counter>& counter(prometheus::Registry& registry, const char* name,
                                                 const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

std::map<std::string, std::string> labels_of(const RequestLog& log) {
  return {{"endpoint", log.endpoint}, {"task", log.task}, {"model", log.model}};
}

}  // namespace

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      requests_(counter(*registry_, "qwen_http_requests_total", "Requests answered, by endpoint and status")),
      prompt_tokens_(counter(*registry_, "qwen_prompt_tokens_total", "Tokens of prompts")),
      cached_tokens_(counter(*registry_, "qwen_prompt_tokens_cached_total",
                             "Tokens of prompts whose KV was known before")),
      generated_tokens_(counter(*registry_, "qwen_generated_tokens_total", "Tokens of replies")),
      cache_hits_(counter(*registry_, "qwen_result_cache_hits_total", "Answers that were known before")),
      cache_misses_(counter(*registry_, "qwen_result_cache_misses_total", "Answers that were computed")),
      labels_(counter(*registry_, "qwen_labels_total", "Texts that were classified, by task and label")),
      whole_(histogram(*registry_, "qwen_request_seconds", "Whole requests that used the model")),
      first_token_(histogram(*registry_, "qwen_time_to_first_token_seconds",
                             "From a request to the first token of its reply, or to its label")),
      interval_(histogram(*registry_, "qwen_inter_token_seconds", "Between two tokens of a reply")),
      queue_(histogram(*registry_, "qwen_queue_wait_seconds", "From a request until it was computed first")) {
}

void Metrics::record(const RequestContext& context, double seconds) {
  const RequestLog& log = context.log;
  requests_.Add({{"endpoint", log.endpoint}, {"status", std::to_string(context.response.status)}})
      .Increment();
  if (!log.admitted) return;
  const auto labels = labels_of(log);
  whole_.Add(labels, kSeconds).Observe(seconds);
  if (log.queue_seconds >= 0) queue_.Add(labels, kSeconds).Observe(log.queue_seconds);
  if (log.first_token_seconds >= 0) first_token_.Add(labels, kSeconds).Observe(log.first_token_seconds);
  prompt_tokens_.Add(labels).Increment(log.prompt_tokens);
  cached_tokens_.Add(labels).Increment(log.cached_tokens);
  generated_tokens_.Add(labels).Increment(log.generated_tokens);
  (log.cache_hit ? cache_hits_ : cache_misses_).Add(labels).Increment();
}

void Metrics::count_label(const RequestLog& log, const qwen::Task& task, const qwen::Classification& found,
                          bool own_labels) {
  const bool other = own_labels || found.abstained || found.label < 0;
  const std::string label = other ? "other" : task.labels.at(static_cast<std::size_t>(found.label)).text;
  labels_.Add({{"task", own_labels ? "labels" : task.name}, {"label", label}, {"model", log.model}})
      .Increment();
}

void Metrics::token_interval(const RequestLog& log, double seconds) {
  interval_.Add(labels_of(log), kIntervals).Observe(seconds);
}

void Metrics::add(Reading reading) {
  readings_.push_back(std::move(reading));
}

std::string Metrics::text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  std::erase_if(families, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  for (const Reading& reading : readings_) {
    // Readings of one name are one family, whatever was added between them.
    const auto same = std::ranges::find(families, reading.name, &prometheus::MetricFamily::name);
    prometheus::MetricFamily& family = same != families.end() ? *same : families.emplace_back();
    family.name = reading.name;
    family.help = reading.help;
    family.type = reading.kind == Reading::gauge ? MetricType::Gauge : MetricType::Counter;
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : reading.labels) metric.label.push_back({name, value});
    (reading.kind == Reading::gauge ? metric.gauge.value : metric.counter.value) = reading.read();
    family.metric.push_back(std::move(metric));
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

double resident_bytes() {
  long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace qwen_serve
