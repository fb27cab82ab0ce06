// The table of all endpoints.
#include "qwen-serve/endpoints.h"
#include "qwen-serve/router.h"

namespace qwen_serve {
namespace {

using enum Route::Access;

constexpr Route kRoutes[] = {
    {"GET", "/", page, open, "The web page"},
    {"GET", "/web/*", web_file, open, "A file of the web page"},
    {"GET", "/health", health, immediate, "The process is alive"},
    {"GET", "/ready", ready, immediate, "The server accepts work"},
    {"GET", "/metrics", metrics, keyed, "Metrics for Prometheus"},
    {"GET", "/v1/models", models, keyed, "The models"},
    {"GET", "/v1/models/*", model, keyed, "One model"},
    {"POST", "/v1/chat/completions", chat_completions, limited, "OpenAI chat completion"},
    {"POST", "/v1/completions", completions, limited, "OpenAI text completion"},
    {"POST", "/v1/classify", classify, limited, "Labels with probabilities"},
    {"POST", "/tokenize", tokenize, limited, "Text to token ids"},
    {"POST", "/detokenize", detokenize, limited, "Token ids to text"},
    {"POST", "/chat", chat_text, limited, "A message in, plain text out"},
    {"GET", "/api/info", info, keyed, "Model, tasks, defaults and limits"},
    {"POST", "/api/analyze", analyze, limited, "The label first, then the reply, as events"},
    {"GET", "/api/sessions/*", session, keyed, "A session's turns"},
    {"DELETE", "/api/sessions/*", delete_session, keyed, "Ends a session"},
    {"GET", "/api/version", ollama_version, open, "Ollama: the version", true},
    {"GET", "/api/tags", ollama_tags, keyed, "Ollama: the models", true},
    {"GET", "/api/ps", ollama_ps, keyed, "Ollama: the loaded models", true},
    {"POST", "/api/show", ollama_show, keyed, "Ollama: one model", true},
    {"POST", "/api/chat", ollama_chat, limited, "Ollama: chat, as JSON lines", true},
    {"POST", "/api/generate", ollama_generate, limited, "Ollama: a reply to a prompt, as JSON lines", true},
    {"POST", "/api/embed", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/embeddings", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/pull", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/push", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/create", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/copy", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"DELETE", "/api/delete", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
};

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

<<<<<<< HEAD
=======
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

>>>>>>> model
}  // namespace qwen_serve
