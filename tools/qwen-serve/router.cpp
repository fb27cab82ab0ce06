#include "qwen-serve/router.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "qwen-serve/connection.h"

namespace qwen_serve {
namespace {

bool matches(const Route& route, const std::string& path, std::string& tail) {
  const std::size_t size = std::strlen(route.path);
  if (route.path[size - 1] != '*') return path == route.path;
  if (path.size() < size || path.compare(0, size - 1, route.path, size - 1) != 0) return false;
  tail = path.substr(size - 1);
  return true;
}

bool good_id(const std::string& id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

// Answers a browser's question before it lets another site's page ask, and lets nobody else's page in: a
// request with an Origin comes from a page.
void check_origin(Service& service, Exchange& exchange) {
  const std::string origin = exchange.request->get_header_value("Origin");
  if (origin.empty()) return;
  const auto& allowed = service.options.cors;
  const bool any = std::find(allowed.begin(), allowed.end(), "*") != allowed.end();
  if (any || std::find(allowed.begin(), allowed.end(), origin) != allowed.end()) {
    httplib::Response& response = *exchange.response;
    response.set_header("Access-Control-Allow-Origin", any ? "*" : origin);
    response.set_header("Vary", "Origin");
    response.set_header("Access-Control-Expose-Headers", "X-Request-Id, X-Session-Id, X-Cache, Retry-After");
    return;
  }
  const std::string host = exchange.request->get_header_value("Host");
  const std::size_t at = origin.find("://");
  if (at != std::string::npos && !host.empty() && origin.substr(at + 3) == host) return;
  throw ApiError(
      403, "origin_not_allowed",
      "pages of this origin may not use the server; --cors " + origin.substr(0, 200) + " lets them");
}

void check_key(Service& service, Exchange& exchange) {
  if (!service.keys.required()) return;
  const std::string header = exchange.request->get_header_value("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  const bool bearer = header.compare(0, kScheme.size(), kScheme) == 0;
  const int key = bearer ? service.keys.find(std::string_view(header).substr(kScheme.size())) : -1;
  if (key < 0)
    throw ApiError(
        401, "invalid_api_key",
        bearer ? "this API key is not known"
               : "this server asks for an API key; expected the header \"Authorization: Bearer KEY\"");
  exchange.client = "key" + std::to_string(key);
}

void check_rate(Service& service, Exchange& exchange) {
  const int wait = service.rates.take(exchange.client);
  if (wait == 0) return;
  ApiError slow(429, "rate_limit_exceeded",
                "more than " + std::to_string(service.options.rate) + " requests a minute; try again in " +
                    std::to_string(wait) + " s");
  slow.retry_after_seconds = wait;
  throw slow;
}

void read_body(Service& service, Exchange& exchange, const httplib::ContentReader& reader) {
  const httplib::Request& request = *exchange.request;
  const std::size_t limit = static_cast<std::size_t>(service.options.max_body);
  const ApiError too_large(413, "body_too_large",
                           "the request's body is larger than " + std::to_string(limit) + " bytes");
  const std::string type = request.get_header_value("Content-Type");
  const std::string encoding = request.get_header_value("Content-Encoding");
  if (type.rfind("multipart/", 0) == 0 || (!encoding.empty() && encoding != "identity"))
    throw ApiError(415, "unsupported_media_type", "expected a body of plain JSON (application/json)");
  if (std::strtoull(request.get_header_value("Content-Length").c_str(), nullptr, 10) > limit) throw too_large;
  bool over = false;
  const bool complete = reader([&](const char* data, std::size_t size) {
    over = exchange.body.size() + size > limit;
    if (!over) exchange.body.append(data, size);
    return !over;
  });
  if (over) throw too_large;
  if (!complete) throw ApiError(400, "incomplete_body", "the request's body did not come, or not in time");
}

const Route* find_route(Exchange& exchange) {
  const httplib::Request& request = *exchange.request;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  const Route* other = nullptr;
  for (const Route& route : routes()) {
    std::string tail;
    if (!matches(route, request.path, tail)) continue;
    if (method == route.method) {
      exchange.tail = tail;
      exchange.record.endpoint = route.path;
      return &route;
    }
    other = &route;
    if (allowed.find(route.method) == std::string::npos)
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  if (!other) throw ApiError(404, "not_found", "there is nothing at " + request.path.substr(0, 200));
  exchange.record.endpoint = other->path;
  exchange.response->set_header("Allow", allowed + ", OPTIONS");
  if (request.method == "OPTIONS") return nullptr;
  throw ApiError(405, "method_not_allowed", "expected " + allowed + ", found " + request.method);
}

void preflight(Exchange& exchange) {
  httplib::Response& response = *exchange.response;
  response.status = 204;
  if (!response.has_header("Access-Control-Allow-Origin")) return;
  response.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id");
  response.set_header("Access-Control-Max-Age", "600");
}

}  // namespace

void answer(Service& service, Exchange& exchange, const httplib::ContentReader* reader) {
  Connection& connection = *Connection::current();
  const std::string given = exchange.request->get_header_value("X-Request-Id");
  exchange.id = good_id(given) ? given : "req-" + random_id();
  exchange.response->set_header("X-Request-Id", exchange.id);
  exchange.response->set_header("Server", "qwen-serve/" QWEN_VERSION);
  exchange.client = connection.address();
  bool body_read = !connection.has_body();
  try {
    check_origin(service, exchange);
    const Route* route = find_route(exchange);
    if (!route) {
      preflight(exchange);
    } else {
      if (route->access != Route::open) check_key(service, exchange);
      if (route->access == Route::work) check_rate(service, exchange);
      if (reader && connection.has_body()) {
        read_body(service, exchange, *reader);
        body_read = true;
      }
      route->handle(service, exchange);
    }
  } catch (...) {
    exchange.error(current_api_error());
  }
  // What is left of a body would be read as the next request.
  if (!body_read) connection.close_after();
}

void finish(Service& service, Exchange& exchange, std::size_t bytes, bool complete) {
  Record& record = exchange.record;
  if (!complete && record.error.empty()) record.error = "client_gone";
  service.metrics.record(record, exchange.seconds());
  if (!service.access_log) return;
  Json line;
  line["time"] = utc_now();
  line["id"] = exchange.id;
  line["client"] = exchange.client;
  line["method"] = exchange.method;
  line["path"] = exchange.path;
  line["status"] = record.status;
  line["bytes"] = bytes;
  line["ms"] = to_ms(exchange.seconds());
  if (!record.error.empty()) line["error"] = record.error;
  if (!record.task.empty()) line["task"] = record.task;
  if (!record.user.empty()) line["user"] = record.user;
  if (record.work) {
    line["prompt_tokens"] = record.prompt_tokens;
    line["cached_tokens"] = record.cached_tokens;
    line["generated_tokens"] = record.generated_tokens;
    if (record.queue_seconds >= 0) line["queue_ms"] = to_ms(record.queue_seconds);
    if (record.first_token_seconds >= 0) line["ttft_ms"] = to_ms(record.first_token_seconds);
    line["cache"] = record.cache_hit ? "hit" : "miss";
  }
  service.access_log->write(dump(line));
}

}  // namespace qwen_serve
