#include "qwen-serve/exchange.h"

#include <cmath>
#include <random>

#include "qwen-serve/connection.h"

namespace qwen_serve {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string random_id() {
  std::random_device source;  // getrandom(), which no client can foresee
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

double Exchange::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Exchange::json(const Json& body, int status) {
  response->status = status;
  response->set_content(dump(body) + "\n", "application/json");
}

void Exchange::error(const ApiError& error) {
  record.error = error.code;
  if (error.retry_after_seconds > 0)
    response->set_header("Retry-After", std::to_string(error.retry_after_seconds));
  if (error.status == 401) response->set_header("WWW-Authenticate", "Bearer");
  json(error.body(), error.status);
}

bool StreamWriter::text(std::string_view text) {
  if (text.empty()) return alive_;  // an empty chunk would end the body
  alive_ = alive_ && sink_.write(text.data(), text.size());
  return alive_;
}

bool StreamWriter::event(std::string_view name, const Json& data) {
  std::string frame;
  if (!name.empty()) frame = "event: " + std::string(name) + "\n";
  return text(frame + "data: " + dump(data) + "\n\n");
}

bool StreamWriter::data(std::string_view line) {
  return text("data: " + std::string(line) + "\n\n");
}

bool StreamWriter::comment(std::string_view line) {
  return text(": " + std::string(line) + "\n\n");
}

void stream(Exchange& exchange, const char* content_type, std::function<void(StreamWriter&)> produce) {
  httplib::Response& response = *exchange.response;
  response.status = 200;
  response.set_header("Cache-Control", "no-store");
  response.set_header("X-Accel-Buffering", "no");  // nginx would hold the events back
  auto provider = [produce = std::move(produce)](std::size_t, httplib::DataSink& sink) {
    StreamWriter writer(sink);
    produce(writer);
    if (!writer.alive()) return false;
    sink.done();
    return true;
  };
  if (exchange.request->version == "HTTP/1.0") {  // knows no chunks: the body ends with the connection
    Connection::current()->close_after();
    response.set_content_provider(content_type, std::move(provider));
  } else {
    response.set_chunked_content_provider(content_type, std::move(provider));
  }
}

}  // namespace qwen_serve
