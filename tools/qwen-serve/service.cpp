#include "qwen-serve/service.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>

#include "qwen-serve/chat_request.h"

namespace qwen_serve {
namespace {

qwen::TaskRegistry read_tasks(const Options& options) {
  qwen::TaskRegistry tasks;
  for (const std::string& folder : options.task_folders) tasks.add_folder(folder);
  return tasks;
}

std::string key_list() {
  const char* list = std::getenv("LIBQWEN_API_KEY");
  return list ? list : "";
}

qwen::ResultCacheOptions cache_options(const Options& options) {
  qwen::ResultCacheOptions cache;
  cache.entries = static_cast<std::size_t>(options.cache_entries);
  cache.bytes = static_cast<std::size_t>(options.cache_mb) << 20;
  cache.time_to_live = std::chrono::seconds(options.cache_ttl);
  return cache;
}

double cpu_seconds() {
  timespec time{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

ClassifierRegistry::Results result_cache(const Options& options) {
  if (options.cache_entries == 0) return nullptr;
  return std::make_shared<qwen::ResultCache<qwen::Classification>>(cache_options(options));
}

}  // namespace

Service::Service(const Options& given)
    : options(given),
      tasks(read_tasks(options)),
      keys(options.api_key_file, key_list()),
      rates(options.rate),
      admission(options.parallel, options.queue),
      answers(cache_options(options)),
      labels(result_cache(options)),
      models(options, tasks, labels),
      sessions(std::chrono::seconds(options.session_ttl), static_cast<std::size_t>(options.sessions),
               static_cast<std::size_t>(options.session_mb) << 20) {
  // What the page asks for must be there; it is computed in warm_up().
  const auto check = [this](const std::string& name, qwen::TaskKind kind, const char* option) {
    if (tasks.get(name).kind == kind) return;
    throw qwen::Error(qwen::ErrorCode::invalid_argument,
                      std::string(option) + ": task " + name + " is of the other kind");
  };
  check(options.task, qwen::TaskKind::classify, "--task");
  check(options.chat_task, qwen::TaskKind::generate, "--chat-task");
  if (!options.access_log.empty()) access_log = std::make_unique<AccessLog>(options.access_log);
  const ServedModelPtr first = models.get(0);
  metrics.add({Metrics::Reading::gauge,
               "qwen_build_info",
               "Always 1; the labels name the program and its model",
               [] { return 1.0; },
               {{"version", QWEN_VERSION},
                {"model", first->id},
                {"isa", std::string(first->model.isa())},
                {"threads", std::to_string(first->model.threads())}}});
  metrics.add(
      {Metrics::Reading::gauge, "process_resident_memory_bytes", "Memory that is in RAM", resident_bytes});
  metrics.add(
      {Metrics::Reading::counter, "process_cpu_seconds_total", "CPU time of all threads", cpu_seconds});
  for (std::size_t i = 0; i < models.size(); ++i) add_model_metrics(i);
  metrics.add(
      {Metrics::Reading::gauge, "qwen_result_cache_entries", "Answers and labels that are kept", [this] {
         return static_cast<double>(answers.counters().entries + (labels ? labels->counters().entries : 0));
       }});
  metrics.add({Metrics::Reading::gauge, "qwen_requests_admitted", "Requests that are computed or wait",
               [this] { return static_cast<double>(admission.taken()); }});
  metrics.add({Metrics::Reading::gauge, "qwen_sessions", "Sessions in memory",
               [this] { return static_cast<double>(sessions.count()); }});
  metrics.add({Metrics::Reading::gauge, "qwen_session_bytes", "Memory of the sessions' turns",
               [this] { return static_cast<double>(sessions.bytes()); }});
}

// Zeros while the model is not loaded.
void Service::add_model_metrics(std::size_t index) {
  const auto add = [this, index](Metrics::Reading::Kind kind, const char* name, const char* help,
                                 std::function<double(const ServedModel&)> read) {
    metrics.add({kind,
                 name,
                 help,
                 [this, index, read = std::move(read)] { return models.read(index, read); },
                 {{"model", models.card(index).id}}});
  };
  const auto counters = [&add](Metrics::Reading::Kind kind, const char* name, const char* help, auto read) {
    add(kind, name, help,
        [read](const ServedModel& model) { return static_cast<double>(read(model.engine->counters())); });
  };
  using Counters = qwen::Engine::Counters;
  using enum Metrics::Reading::Kind;
  add(gauge, "qwen_model_loaded", "1 if the model is loaded", [](const ServedModel&) { return 1.0; });
  metrics.add({counter,
               "qwen_model_loads_total",
               "How often the model was loaded",
               [this, index] { return static_cast<double>(models.loads(index)); },
               {{"model", models.card(index).id}}});
  add(gauge, "qwen_weight_bytes", "Memory of the packed weights",
      [](const ServedModel& model) { return static_cast<double>(model.model.weight_bytes()); });
  counters(gauge, "qwen_jobs_running", "Sequences that are being computed",
           [](const Counters& c) { return c.running; });
  counters(gauge, "qwen_jobs_queued", "Sequences that wait", [](const Counters& c) { return c.queued; });
  counters(gauge, "qwen_kv_bytes", "Memory of keys and values", [](const Counters& c) { return c.kv_bytes; });
  add(gauge, "qwen_kv_utilization", "KV memory as a part of its limit, 0 to 1", [](const ServedModel& model) {
    return std::min(1.0, static_cast<double>(model.engine->counters().kv_bytes) / model.kv_limit());
  });
  counters(gauge, "qwen_scratch_bytes", "Memory of activations",
           [](const Counters& c) { return c.scratch_bytes; });
  counters(counter, "qwen_passes_total", "Forward passes since the model was loaded",
           [](const Counters& c) { return c.passes; });
  counters(counter, "qwen_pass_rows_total", "Tokens in forward passes since the model was loaded",
           [](const Counters& c) { return c.pass_rows; });
}

void Service::warm_up() noexcept {
  try {
    const ServedModelPtr first = models.get(0);
    first->classifiers.task(options.task);
    make_chat(*this, *first, options.chat_task, {}, {}, {});
  } catch (const std::exception&) {
    // The server is shutting down, or the first request will say what is wrong.
  }
}

std::uint64_t random_seed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

std::size_t Service::find_model(const std::string& name) const {
  if (const auto index = models.find(name)) return *index;
  std::string known;
  for (const auto& [id, index] : models.names()) known += (known.empty() ? "\"" : ", \"") + id + "\"";
  throw ApiError(404, "model_not_found", "unknown model \"" + name.substr(0, 100) + "\"; expected " + known,
                 "model");
}

std::size_t Service::choose_model(const std::optional<std::string>& name) const {
  if (!name) return 0;
  return options.strict_model ? find_model(*name) : models.find(*name).value_or(0);
}

ServedModelPtr Service::use_model(RequestContext& context, const std::optional<std::string>& name) {
  const std::size_t index = choose_model(name);
  context.log.model = models.card(index).id;
  return models.get(index);
}

AdmittedRequest::AdmittedRequest(Service& service, RequestContext& context, int places)
    : ticket_(service.admission, context.client, places),
      guard_(service.watch, context.client_fd, std::chrono::seconds(service.options.timeout)),
      options_(service.options) {
  context.log.admitted = true;
}

void AdmittedRequest::check() const {
  switch (guard_.ended()) {
    case Ended::no: return;
    case Ended::client_gone: throw ApiError(499, "client_gone", "the client has closed the connection");
    case Ended::timed_out:
      throw ApiError(504, "timeout",
                     "the request took longer than " + std::to_string(options_.timeout) + " seconds");
    case Ended::shutdown: throw ApiError(503, "shutting_down", "the server is shutting down");
  }
}

void note(Service& service, RequestLog& log, const qwen::EngineResult& result) {
  const auto& generation = result.generation;
  log.prompt_tokens += result.prompt_tokens;
  log.cached_tokens += result.cached_tokens;
  log.generated_tokens += static_cast<int>(generation.tokens.size());
  log.queue_seconds = std::max(log.queue_seconds, result.queue_seconds);
  log.first_token_seconds = std::max(log.first_token_seconds, result.first_token_seconds);
  for (std::size_t i = 1; i < generation.token_seconds.size(); ++i)
    service.metrics.token_interval(log, generation.token_seconds[i] - generation.token_seconds[i - 1]);
}

}  // namespace qwen_serve
