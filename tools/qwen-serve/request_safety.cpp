#include "qwen-serve/request_safety.h"

#include <arpa/inet.h>

#include <algorithm>

#include "qwen-serve/api_error.h"

namespace qwen_serve {
namespace {

// "name:8080" -> "name", "[::1]:8080" -> "::1"
std::string_view host_name(std::string_view host) {
  if (!host.empty() && host.front() == '[') return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool is_address(std::string_view name) {
  char bytes[16];
  const std::string text(name.substr(0, name.find('%')));
  return ::inet_pton(AF_INET, text.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

}  // namespace

void check_host(const Options& options, const HttpRequest& request) {
  if (!request.has_header("Host")) return;
  const std::string header = request.header("Host");
  std::string_view name = host_name(header);
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  const auto is_name = [&](const std::string& allowed) { return same_ignoring_case(name, allowed); };
  constexpr std::string_view kLocal = ".localhost";
  const bool local =
      is_name("localhost") ||
      (name.size() > kLocal.size() && same_ignoring_case(name.substr(name.size() - kLocal.size()), kLocal));
  if (local || is_address(name) || is_name(options.host)) return;
  const auto& allowed = options.allowed_hosts;
  if (std::any_of(allowed.begin(), allowed.end(),
                  [&](const std::string& host) { return host == "*" || is_name(host); }))
    return;
  throw ApiError(403, "host_not_allowed",
                 "host " + std::string(name.substr(0, 200)) + " is not allowed; --allowed-host adds a name");
}

void check_origin(const Options& options, const HttpRequest& request, HttpResponse& response) {
  const std::string origin = request.header("Origin");
  if (origin.empty()) return;
  const auto& allowed = options.cors;
  const bool any = std::find(allowed.begin(), allowed.end(), "*") != allowed.end();
  if (any || std::find(allowed.begin(), allowed.end(), origin) != allowed.end()) {
    response.set_header("Access-Control-Allow-Origin", any ? "*" : origin);
    response.set_header("Vary", "Origin");
    response.set_header("Access-Control-Expose-Headers", "X-Request-Id, X-Session-Id, X-Cache, Retry-After");
    return;
  }
  const std::string host = request.header("Host");
  const std::size_t scheme = origin.find("://");
  if (scheme != std::string::npos && !host.empty() && same_ignoring_case(origin.substr(scheme + 3), host))
    return;
  throw ApiError(403, "origin_not_allowed",
                 "origin " + origin.substr(0, 200) + " is not allowed; --cors adds an origin");
}

void answer_preflight(const HttpRequest& request, HttpResponse& response) {
  response.status = 204;
  if (!response.has_header("Access-Control-Allow-Origin")) return;
  response.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  // Clients add header fields of their own (X-Stainless-..., traceparent): the browser asks for them by name.
  const std::string asked = request.header("Access-Control-Request-Headers");
  response.set_header("Access-Control-Allow-Headers",
                      asked.empty() ? "Authorization, Content-Type, X-Request-Id" : asked);
  response.set_header("Access-Control-Max-Age", "600");
  if (same_ignoring_case(request.header("Access-Control-Request-Private-Network"), "true"))
    response.set_header("Access-Control-Allow-Private-Network", "true");
}

}  // namespace qwen_serve
