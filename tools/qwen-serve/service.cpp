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

// The model's name without what would be awkward in a URL.
std::string id_of(const qwen::Model& model) {
  std::string id = model.info().name;
  for (char& c : id)
    if (static_cast<unsigned char>(c) <= 0x20 || c == '/' || c == '?' || c == '#' || c == '%') c = '-';
  return id.empty() ? "qwen" : id;
}

qwen::EngineOptions engine_options(const Options& options) {
  qwen::EngineOptions engine;
  engine.context = options.context;
  engine.kv_type = options.kv_type == "f16"   ? qwen::KvType::f16
                   : options.kv_type == "f32" ? qwen::KvType::f32
                                              : qwen::KvType::automatic;
  engine.max_sequences = options.parallel;
  // Admission bounds the requests; one of them may be a label and a reply.
  engine.max_queued = 2 * (options.parallel + options.queue);
  engine.prefix_folder = options.prefix_folder;
  engine.prefix_bytes = static_cast<std::size_t>(options.prefix_mb) << 20;
  return engine;
}

qwen::ResultCacheOptions cache_options(const Options& options) {
  qwen::ResultCacheOptions cache;
  cache.entries = static_cast<std::size_t>(options.cache_entries);
  cache.bytes = static_cast<std::size_t>(options.cache_mb) << 20;
  cache.time_to_live = std::chrono::seconds(options.cache_ttl);
  return cache;
}

// Bytes of keys and values that the engine keeps at most: `max_sequences` full contexts.
double kv_limit(const qwen::Engine& engine) {
  const qwen::EngineOptions& options = engine.options();
  const qwen::ModelShape& shape = engine.model().info().shape;
  const double value_bytes = options.kv_type == qwen::KvType::f16 ? 2 : 4;
  return 2.0 * shape.layers * shape.kv_heads * shape.head_dim * value_bytes * options.context *
         options.max_sequences;
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

Service::Service(const Options& given, qwen::Model loaded)
    : options(given),
      model(std::move(loaded)),
      model_id(id_of(model)),
      tasks(read_tasks(options)),
      keys(options.api_key_file, key_list()),
      rates(options.rate),
      admission(options.parallel, options.queue),
      engine(std::make_shared<qwen::Engine>(model, engine_options(options))),
      answers(cache_options(options)),
      labels(result_cache(options)),
      classifiers(engine, tasks, labels),
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
  model.chat_template();  // throws where there is none
  if (!options.access_log.empty()) access_log = std::make_unique<AccessLog>(options.access_log);
  metrics.add({Metrics::Reading::gauge,
               "qwen_build_info",
               "Always 1; what is running stands in the labels",
               [] { return 1.0; },
               {{"version", QWEN_VERSION},
                {"model", model_id},
                {"isa", std::string(model.isa())},
                {"threads", std::to_string(model.threads())}}});
  metrics.add(
      {Metrics::Reading::gauge, "process_resident_memory_bytes", "Memory that is in RAM", resident_bytes});
  metrics.add(
      {Metrics::Reading::counter, "process_cpu_seconds_total", "CPU time of all threads", cpu_seconds});
  metrics.add({Metrics::Reading::gauge, "qwen_weight_bytes", "Memory of the packed weights",
               [this] { return static_cast<double>(model.weight_bytes()); }});
  const auto engine_gauge = [this](const char* name, const char* help, auto read) {
    metrics.add({Metrics::Reading::gauge, name, help,
                 [this, read] { return static_cast<double>(read(engine->counters())); }});
  };
  using Counters = qwen::Engine::Counters;
  engine_gauge("qwen_jobs_running", "Sequences that are being computed",
               [](const Counters& c) { return c.running; });
  engine_gauge("qwen_jobs_queued", "Sequences that wait", [](const Counters& c) { return c.queued; });
  engine_gauge("qwen_kv_bytes", "Memory of keys and values", [](const Counters& c) { return c.kv_bytes; });
  engine_gauge("qwen_kv_utilization", "KV memory as a part of its limit, 0 to 1",
               [limit = kv_limit(*engine)](const Counters& c) {
                 return std::min(1.0, static_cast<double>(c.kv_bytes) / limit);
               });
  engine_gauge("qwen_scratch_bytes", "Memory of activations",
               [](const Counters& c) { return c.scratch_bytes; });
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
  metrics.add({Metrics::Reading::counter, "qwen_passes_total", "Forward passes",
               [this] { return static_cast<double>(engine->counters().passes); }});
  metrics.add({Metrics::Reading::counter, "qwen_pass_rows_total", "Tokens in forward passes",
               [this] { return static_cast<double>(engine->counters().pass_rows); }});
}

void Service::warm_up() noexcept {
  try {
    classifiers.task(options.task);
    make_chat(*this, options.chat_task, {}, {}, {});
  } catch (const std::exception&) {
    // The server is shutting down, or the first request will say what is wrong.
  }
}

int Service::max_prompt() const {
  return options.max_prompt > 0 ? std::min(options.max_prompt, context()) : context();
}

qwen::SamplingOptions Service::default_sampling() const {
  qwen::SamplingOptions sampling = model.info().sampling;
  options.sampling.apply(sampling);
  return sampling;
}

std::uint64_t random_seed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

void Service::check_prompt(std::size_t tokens, const char* field) const {
  // One token of the context is for the reply.
  const std::size_t most = static_cast<std::size_t>(std::min(max_prompt(), context() - 1));
  if (tokens <= most) return;
  throw ApiError(
      400, "context_length_exceeded",
      "the prompt has " + std::to_string(tokens) + " tokens; expected at most " + std::to_string(most),
      field);
}

void Service::check_model(const std::string& name) const {
  if (name == model_id || (!options.alias.empty() && name == options.alias)) return;
  throw ApiError(404, "model_not_found",
                 "unknown model \"" + name.substr(0, 100) + "\"; expected \"" + model_id + "\"", "model");
}

void Service::check_request_model(const std::string& name) const {
  if (options.strict_model) check_model(name);
}

void Service::check_tokens(std::span<const qwen::Token> tokens, const char* field) const {
  const int size = model.tokenizer().size();
  for (const qwen::Token token : tokens)
    if (token < 0 || token >= size)
      throw ApiError(400, "invalid_value",
                     std::string(field) + ": expected token ids below " + std::to_string(size) + ", found " +
                         std::to_string(token),
                     field);
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
