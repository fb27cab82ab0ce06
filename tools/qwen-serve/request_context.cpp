#include "qwen-serve/request_context.h"

#include <cmath>
#include <random>

namespace qwen_serve {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string random_id() {
  std::random_device source;  // getrandom(), which no client can predict
  std::string id;
  for (int i = 0; i < 4; ++i) {
    auto bits = source();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) id += "0123456789abcdef"[bits & 15];
  }
  return id;
}

double to_ms(double seconds) {
  return std::round(seconds * 1e6) / 1e3;
}

double RequestContext::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void RequestContext::json(const Json& body, int status) {
  response.status = status;
  response.set_content(dump(body) + "\n", "application/json");
}

void RequestContext::error(const ApiError& error) {
  log.error = error.code;
  response.stream = nullptr;
  if (error.retry_after_seconds > 0)
    response.set_header("Retry-After", std::to_string(error.retry_after_seconds));
  if (error.status == 401) response.set_header("WWW-Authenticate", "Bearer");
  json(plain_errors ? Json{{"error", error.what()}} : error.body(), error.status);
}

void RequestContext::stream(const char* content_type, std::function<void(StreamWriter&)> produce) {
  response.status = 200;
  response.set_header("Content-Type", content_type);
  response.set_header("Cache-Control", "no-store");
  response.set_header("X-Accel-Buffering", "no");  // nginx would buffer the events
  response.stream = std::move(produce);
}

bool send_event(StreamWriter& out, std::string_view name, const Json& data) {
  std::string frame;
  if (!name.empty()) frame = "event: " + std::string(name) + "\n";
  return out.text(frame + "data: " + dump(data) + "\n\n");
}

bool send_comment(StreamWriter& out, std::string_view text) {
  return out.text(": " + std::string(text) + "\n\n");
}

}  // namespace qwen_serve
