// The page, health, metrics and /api/info.
#include <algorithm>
#include <charconv>

#include "qwen-serve/endpoints.h"
#include "qwen-serve/web_files.h"

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

// 304 if the client has the file already.
void serve_file(RequestContext& context, std::string_view name) {
  const auto files = web_files();
  const auto file =
      std::find_if(files.begin(), files.end(), [&](const WebFile& f) { return f.name == name; });
  if (file == files.end()) throw ApiError(404, "not_found", "no such file");
  HttpResponse& response = context.response;
  const std::string tag(file->etag);
  response.set_header("ETag", tag);
  response.set_header("Cache-Control", "no-cache");  // ask whether it has changed
  response.set_header("Content-Security-Policy", std::string(kWebSecurityPolicy));
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  if (context.request.header("If-None-Match").find(tag) != std::string::npos) {
    response.status = 304;
    return;
  }
  response.status = 200;
  response.set_content(std::string(file->content), std::string(file->content_type));
}

}  // namespace

void page(Service&, RequestContext& context) {
  serve_file(context, "index.html");
}

void web_file(Service&, RequestContext& context) {
  serve_file(context, context.path_suffix);
}

void health(Service&, RequestContext& context) {
  context.json({{"status", "ok"}});
}

void ready(Service& service, RequestContext& context) {
  if (service.admission.closed()) throw ApiError(503, "shutting_down", "the server is shutting down");
  context.json(
      {{"status", "ready"}, {"requests", service.admission.taken()}, {"places", service.admission.limit()}});
}

void metrics(Service& service, RequestContext& context) {
  context.response.status = 200;
  context.response.set_content(service.metrics.text(), "text/plain; version=0.0.4; charset=utf-8");
}

void info(Service& service, RequestContext& context) {
  const ModelCard& card = service.models.card(0);
  Json tasks = Json::array();
  for (const std::string& name : service.tasks.names_for(card.info)) {
    const qwen::Task& task = service.tasks.get(name);
    Json labels = Json::array();
    for (const qwen::TaskLabel& label : task.labels)
      labels.push_back({{"text", label.text}, {"display", label.display}, {"emoji", label.emoji}});
    tasks.push_back({{"name", name},
                     {"kind", qwen::to_string(task.kind)},
                     {"description", task.description},
                     {"heading", task.heading},
                     {"labels", std::move(labels)}});
  }
  const qwen::Task& chat = service.tasks.get(service.options.chat_task);
  Json body;
  body["name"] = "qwen-serve";
  body["version"] = QWEN_VERSION;
  body["model"] = card.id;
  body["models"] = Json::array();
  for (std::size_t i = 0; i < service.models.size(); ++i) body["models"].push_back(service.models.card(i).id);
  body["context"] = card.context;
  body["parallel"] = service.options.parallel;
  body["tasks"] = std::move(tasks);
  body["defaults"] = {{"task", service.options.task},
                      {"reply", service.options.chat_task},
                      {"temperature", shortest(chat.sampling.temperature)},
                      {"top_p", shortest(chat.sampling.top_p)},
                      {"max_tokens", chat.max_new_tokens}};
  body["limits"] = {{"body_bytes", service.options.max_body},
                    {"prompt_tokens", max_prompt(service.options, card.context)},
                    {"session_seconds", service.options.session_ttl}};
  body["auth"] = service.keys.required();
  body["builtin"] = card.info.source == "builtin";
  body["thinking"] = card.thinking == qwen::ChatTemplate::Thinking::optional;
  context.json(body);
}

}  // namespace qwen_serve
