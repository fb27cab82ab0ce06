// One request and its answer, from routing to the access log.
#pragma once
#include <httplib.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "common/output.h"
#include "qwen-serve/api_error.h"

namespace qwen_serve {

// What is known of a request once it has been answered: for metrics and the access log.
struct Record {
  std::string endpoint = "other";  // the route, never a path from outside: it becomes a label
  std::string task;
  std::string user;  // the request's own word for who asks
  int status = 0;
  std::string error;  // the code of the error body, or why the work was cancelled
  int prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  double queue_seconds = -1, first_token_seconds = -1;  // < 0: not known
  bool cache_hit = false;
  bool work = false;  // it was let in to use the model
};

struct Exchange {
  Exchange(const httplib::Request& request, httplib::Response& response)
      : request(&request), response(&response), method(request.method), path(request.path) {}

  // Valid until the answer has been written.
  const httplib::Request* request;
  httplib::Response* response;
  const std::string method, path;
  std::string body;
  std::string tail;    // what a route's "*" stands for
  std::string id;      // X-Request-Id
  std::string client;  // for rates: the API key's digest or the address
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  Record record;

  double seconds() const;
  void json(const Json& body, int status = 200);
  void error(const ApiError& error);
};

// Writes a streamed body. Every function returns false once the client is gone.
class StreamWriter {
 public:
  explicit StreamWriter(httplib::DataSink& sink) : sink_(sink) {}
  bool text(std::string_view text);
  // "event: NAME" (where not empty) and "data: JSON".
  bool event(std::string_view name, const Json& data);
  bool data(std::string_view line);
  bool comment(std::string_view text);  // keeps proxies and clients from giving up
  bool alive() const noexcept { return alive_; }
  void abort() noexcept { alive_ = false; }  // the body stays without its end

 private:
  httplib::DataSink& sink_;
  bool alive_ = true;
};

// Answers with a body that `produce` writes after the headers. `produce` throws nothing.
void stream(Exchange& exchange, const char* content_type, std::function<void(StreamWriter&)> produce);

// JSON on one line, whatever bytes the strings hold.
std::string dump(const Json& json);
// 128 random bits from the system, as 32 hexadecimal digits.
std::string random_id();
// Seconds as milliseconds with three digits after the point.
double to_ms(double seconds);

}  // namespace qwen_serve
