// /api/sessions.
#include "qwen-serve/endpoints.h"
#include "qwen-serve/json_fields.h"

namespace qwen_serve {

void session(Service& service, RequestContext& context) {
  const std::string& tail = context.path_suffix;
  const std::size_t slash = tail.find('/');
  const std::string id = tail.substr(0, slash);
  if (slash == std::string::npos) return context.json(service.sessions.show(id));
  if (tail.substr(slash) != "/export")
    throw ApiError(404, "not_found", "there is nothing at " + context.request.path);
  const std::string format = context.request.query_value("format").value_or("json");
  if (format == "json") {
    context.json(service.sessions.show(id));
  } else if (format == "markdown") {
    context.response.status = 200;
    context.response.set_content(service.sessions.markdown(id), "text/markdown; charset=utf-8");
  } else {
    throw bad_field("format", "format: expected json or markdown, found " + describe(format));
  }
  context.response.set_header(
      "Content-Disposition",
      "attachment; filename=\"conversation." + std::string(format == "json" ? "json" : "md") + "\"");
}

void delete_session(Service& service, RequestContext& context) {
  service.sessions.erase(context.path_suffix);
  context.response.status = 204;
}

}  // namespace qwen_serve
