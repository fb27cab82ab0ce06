// One request and its response, from routing to the access log.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "common/output.h"
#include "qwen-serve/api_error.h"
#include "qwen-serve/http_message.h"

namespace qwen_serve {

struct Route;

// A request's figures for the metrics and the access log.
struct RequestLog {
  std::string endpoint = "other";  // the route, never a path from outside: it becomes a label
  std::string task;
  std::string model;  // the id of the one that was used
  std::string user;   // the request's "user" field
  std::string error;  // the code of the error body, or why the work was cancelled
  int prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  double queue_seconds = -1, first_token_seconds = -1;  // < 0: not known
  bool cache_hit = false;
  bool admitted = false;  // the request was admitted to use the model
};

struct RequestContext {
  HttpRequest request;
  HttpResponse response;
  int client_fd = -1;
  std::string address;
  const Route* route = nullptr;
  bool plain_errors = false;  // {"error": "MESSAGE"}, as Ollama's clients expect
  std::string path_suffix;    // the part of the path that a route's "*" matched
  std::string id;             // X-Request-Id
  std::string client;         // for rates and fairness: the API key's number or the address
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  RequestLog log;

  double seconds() const;
  void json(const Json& body, int status = 200);
  void error(const ApiError& error);
  // Streams the body. `produce` throws nothing.
  void stream(const char* content_type, std::function<void(StreamWriter&)> produce);
};

// "event: NAME" (unless empty) and "data: JSON".
bool send_event(StreamWriter& out, std::string_view name, const Json& data);
// A comment, which keeps proxies and clients from giving up.
bool send_comment(StreamWriter& out, std::string_view text);

// JSON on one line; invalid UTF-8 in strings is replaced.
std::string dump(const Json& json);
// 128 random bits from the system, as 32 hexadecimal digits.
std::string random_id();
// Seconds as milliseconds with three digits after the point.
double to_ms(double seconds);

}  // namespace qwen_serve
