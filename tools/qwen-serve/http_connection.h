// A connection of the HTTP server. Only its own source files include this.
#pragma once
#include <cerrno>
#include <cstring>
#include <string>

#include "qwen-serve/http_server.h"
#include "qwen/error.h"

namespace qwen_serve {

[[noreturn]] inline void throw_io(const std::string& what, int error) {
  throw qwen::Error(qwen::ErrorCode::io, what + ": " + std::strerror(error));
}

struct HttpServer::Connection {
  enum class State { head, body, working, writing, lingering, closed };

  int fd;
  std::string address;
  State state = State::head;
  std::string in;            // received and not yet parsed
  std::string out;           // of the response, to be sent
  std::size_t sent = 0;      // of `out`
  std::size_t streamed = 0;  // bytes sent by the worker
  std::unique_ptr<RequestContext> context;
  BodyFraming framing;
  ChunkedDecoder decoder;
  Clock::time_point deadline = Clock::time_point::max();
  Clock::time_point last_deadline = Clock::time_point::max();  // of the whole body or response
  int served = 0;
  unsigned watched = 0;
  std::size_t lingered = 0;
  bool begun = false;        // a byte of the next request has come
  bool input_ended = false;  // the client has closed or half-closed
  bool close_after = false;
  bool failed = false;  // the response could not be sent whole
  bool beyond_limit = false;
};

}  // namespace qwen_serve
