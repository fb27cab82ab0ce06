#include "qwen-serve/router.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "qwen-serve/request_safety.h"

namespace qwen_serve {
namespace {

bool matches(const Route& route, const std::string& path, std::string& suffix) {
  const std::size_t size = std::strlen(route.path);
  if (route.path[size - 1] != '*') return path == route.path;
  if (path.size() < size || path.compare(0, size - 1, route.path, size - 1) != 0) return false;
  suffix = path.substr(size - 1);
  return true;
}

bool is_valid_id(const std::string& id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

void check_key(Service& service, RequestContext& context) {
  if (!service.keys.required()) return;
  const std::string header = context.request.header("Authorization");
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = same_ignoring_case(std::string_view(header).substr(0, kScheme.size()), kScheme);
  const int key = bearer ? service.keys.find(std::string_view(header).substr(kScheme.size())) : -1;
  if (key < 0)
    throw ApiError(401, "invalid_api_key",
                   bearer ? "unknown API key" : "missing header \"Authorization: Bearer KEY\"");
  context.client = "key" + std::to_string(key);
}

void check_rate(Service& service, RequestContext& context) {
  const int wait = service.rates.take(context.client);
  if (wait == 0) return;
  ApiError slow(429, "rate_limit_exceeded",
                "more than " + std::to_string(service.options.rate) + " requests a minute; try again in " +
                    std::to_string(wait) + " s");
  slow.retry_after_seconds = wait;
  throw slow;
}

void check_media_type(const RequestContext& context) {
  const std::string type = context.request.header("Content-Type");
  const std::string encoding = context.request.header("Content-Encoding");
  if (same_ignoring_case(std::string_view(type).substr(0, 10), "multipart/"))
    throw ApiError(415, "unsupported_media_type", "expected a JSON body (application/json)");
  if (!encoding.empty() && !same_ignoring_case(encoding, "identity") &&
      !same_ignoring_case(encoding, "gzip") && !same_ignoring_case(encoding, "x-gzip"))
    throw ApiError(415, "unsupported_media_type", "expected Content-Encoding gzip or none");
}

void decompress_body(const Service& service, RequestContext& context) {
  const std::string encoding = context.request.header("Content-Encoding");
  if (encoding.empty() || same_ignoring_case(encoding, "identity")) return;
  std::string body;
  const auto limit = static_cast<std::size_t>(service.options.max_body);
  switch (gunzip(context.request.body, limit, body)) {
    case GunzipStatus::ok: context.request.body = std::move(body); break;
    case GunzipStatus::malformed: throw ApiError(400, "bad_request", "the body is not valid gzip data");
    case GunzipStatus::too_large:
      throw ApiError(413, "body_too_large",
                     "the decompressed body is larger than " + std::to_string(limit) + " bytes");
  }
}

// Null for OPTIONS.
const Route* find_route(RequestContext& context) {
  const HttpRequest& request = context.request;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  const Route* other = nullptr;
  for (const Route& route : routes()) {
    std::string suffix;
    if (request.path == "*") {
      other = &route;
    } else if (!matches(route, request.path, suffix)) {
      continue;
    } else if (method == route.method) {
      context.path_suffix = suffix;
      context.plain_errors = route.ollama;
      context.log.endpoint = route.path;
      return &route;
    } else {
      other = &route;
      context.log.endpoint = route.path;
    }
    if (allowed.find(route.method) == std::string::npos)
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  if (!other) throw ApiError(404, "not_found", "nothing at " + request.path.substr(0, 200));
  context.response.set_header("Allow", allowed + ", OPTIONS");
  if (request.method == "OPTIONS") return nullptr;
  throw ApiError(405, "method_not_allowed", "expected " + allowed + ", found " + request.method);
}

}  // namespace

bool begin_request(Service& service, RequestContext& context) {
  const std::string given = context.request.header("X-Request-Id");
  context.id = is_valid_id(given) ? given : "req-" + random_id();
  context.response.set_header("X-Request-Id", context.id);
  context.response.set_header("Server", "qwen-serve/" QWEN_VERSION);
  context.client = context.address;
  try {
    check_host(service.options, context.request);
    check_origin(service.options, context.request, context.response);
    context.route = find_route(context);
    if (!context.route) {
      answer_preflight(context.request, context.response);
      return true;
    }
    using Access = Route::Access;
    const Access access = context.route->access;
    if (access == Access::keyed || access == Access::limited) check_key(service, context);
    if (access == Access::limited) check_rate(service, context);
    check_media_type(context);
    if (access != Access::immediate) return false;
    context.route->handle(service, context);
  } catch (...) {
    context.error(current_api_error());
  }
  return true;
}

void handle_request(Service& service, RequestContext& context) {
  try {
    decompress_body(service, context);
    context.route->handle(service, context);
  } catch (...) {
    context.error(current_api_error());
  }
}

void finish_request(Service& service, RequestContext& context, std::size_t bytes, bool complete) {
  RequestLog& log = context.log;
  if (!complete && log.error.empty()) log.error = "client_gone";
  service.metrics.record(context, context.seconds());
  if (!service.access_log) return;
  Json line;
  line["time"] = utc_now();
  line["id"] = context.id;
  line["client"] = context.client;
  line["method"] = context.request.method;
  line["path"] = context.request.path;
  line["status"] = context.response.status;
  line["bytes"] = bytes;
  line["ms"] = to_ms(context.seconds());
  if (!log.error.empty()) line["error"] = log.error;
  if (!log.task.empty()) line["task"] = log.task;
  if (!log.model.empty()) line["model"] = log.model;
  if (!log.user.empty()) line["user"] = log.user;
  if (log.admitted) {
    line["prompt_tokens"] = log.prompt_tokens;
    line["cached_tokens"] = log.cached_tokens;
    line["generated_tokens"] = log.generated_tokens;
    if (log.queue_seconds >= 0) line["queue_ms"] = to_ms(log.queue_seconds);
    if (log.first_token_seconds >= 0) line["ttft_ms"] = to_ms(log.first_token_seconds);
    line["cache"] = log.cache_hit ? "hit" : "miss";
  }
  service.access_log->write(dump(line));
}

}  // namespace qwen_serve
