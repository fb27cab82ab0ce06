// The table of all endpoints, and those that need no model.
#include <charconv>

#include "qwen-serve/assets.h"
#include "qwen-serve/endpoints.h"
#include "qwen-serve/router.h"

namespace qwen_serve {
namespace {

// The number that a float was written as: 0.7, not 0.699999988.
double shortest(float value) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  double out = value;
  std::from_chars(text, end, out);
  return out;
}

constexpr Route kRoutes[] = {
    {"GET", "/", page, Route::open},
    {"GET", "/web/*", web_file, Route::open},
    {"GET", "/health", health, Route::open},
    {"GET", "/ready", ready, Route::open},
    {"GET", "/metrics", metrics, Route::keyed},
    {"GET", "/v1/models", models, Route::keyed},
    {"GET", "/v1/models/*", model, Route::keyed},
    {"POST", "/v1/chat/completions", chat_completions, Route::work},
    {"POST", "/v1/completions", completions, Route::work},
    {"POST", "/v1/classify", classify, Route::work},
    {"POST", "/tokenize", tokenize, Route::work},
    {"POST", "/detokenize", detokenize, Route::work},
    {"POST", "/chat", plain_chat, Route::work},
    {"GET", "/api/info", info, Route::keyed},
    {"POST", "/api/analyze", analyze, Route::work},
    {"GET", "/api/sessions/*", session, Route::keyed},
    {"DELETE", "/api/sessions/*", delete_session, Route::keyed},
};

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

void page(Service&, Exchange& exchange) {
  serve_file(exchange, "index.html");
}

void web_file(Service&, Exchange& exchange) {
  serve_file(exchange, exchange.tail);
}

void health(Service&, Exchange& exchange) {
  exchange.json({{"status", "ok"}});
}

void ready(Service& service, Exchange& exchange) {
  if (service.admission.closed()) throw ApiError(503, "shutting_down", "the server is shutting down");
  exchange.json(
      {{"status", "ready"}, {"requests", service.admission.taken()}, {"places", service.admission.limit()}});
}

void metrics(Service& service, Exchange& exchange) {
  exchange.response->status = 200;
  exchange.response->set_content(service.metrics.text(), "text/plain; version=0.0.4; charset=utf-8");
}

void info(Service& service, Exchange& exchange) {
  Json tasks = Json::array();
  for (const std::string& name : service.tasks.names_for(service.model.info())) {
    const qwen::Task& task = service.tasks.get(name);
    Json labels = Json::array();
    for (const qwen::TaskLabel& label : task.labels)
      labels.push_back({{"text", label.text}, {"display", label.display}, {"emoji", label.emoji}});
    tasks.push_back({{"name", name},
                     {"kind", task.kind == qwen::TaskKind::classify ? "classify" : "generate"},
                     {"description", task.description},
                     {"heading", task.heading},
                     {"labels", std::move(labels)}});
  }
  const qwen::Task& chat = service.tasks.get(service.options.chat_task);
  Json body;
  body["name"] = "qwen-serve";
  body["version"] = QWEN_VERSION;
  body["model"] = service.model_id;
  body["context"] = service.context();
  body["parallel"] = service.options.parallel;
  body["tasks"] = std::move(tasks);
  body["defaults"] = {{"task", service.options.task},
                      {"reply", service.options.chat_task},
                      {"temperature", shortest(chat.sampling.temperature)},
                      {"top_p", shortest(chat.sampling.top_p)},
                      {"max_tokens", chat.max_new_tokens}};
  body["limits"] = {{"body_bytes", service.options.max_body},
                    {"prompt_tokens", service.max_prompt()},
                    {"session_seconds", service.options.session_ttl}};
  body["auth"] = service.keys.required();
  exchange.json(body);
}

}  // namespace qwen_serve
