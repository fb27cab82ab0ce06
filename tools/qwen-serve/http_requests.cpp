// How the HTTP server reads requests.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "qwen-serve/http_connection.h"

namespace qwen_serve {
namespace {

constexpr int kMaxRequestsPerConnection = 1000;

}  // namespace

// False at the end of the input.
bool HttpServer::receive(Connection& connection) {
  char bytes[65536];
  const ssize_t count = ::recv(connection.fd, bytes, sizeof bytes, 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  connection.in.append(bytes, static_cast<std::size_t>(count));
  if (connection.state == Connection::State::body)
    connection.deadline = std::min(Clock::now() + limits_.read, connection.last_deadline);
  return count > 0;
}

// Goes on with what has been received until more is needed, or a worker or the client has to act.
void HttpServer::advance(Connection& connection) {
  for (;;) {
    if (connection.state == Connection::State::head) {
      if (!read_head(connection)) return;
    } else if (connection.state == Connection::State::body) {
      read_body(connection);
      if (connection.state == Connection::State::body) return;
    } else {
      return;
    }
  }
}

// Returns whether a request's head was complete.
bool HttpServer::read_head(Connection& connection) {
  std::string& in = connection.in;
  in.erase(0, std::min(in.find_first_not_of("\r\n"), in.size()));  // blank lines before a request line
  const std::size_t end = in.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (in.size() > limits_.http.head_bytes) {
      refuse(connection, 431, "headers_too_large", "the request line or the header fields are too long");
      return false;
    }
    if (connection.input_ended) {
      remove(connection);
      return false;
    }
    if (!in.empty() && !connection.begun) {
      connection.begun = true;
      connection.deadline = Clock::now() + limits_.head;
    }
    watch(connection, EPOLLIN);
    return false;
  }
  auto context = std::make_unique<RequestContext>();
  connection.framing = {};
  connection.decoder = {};
  const HeadStatus status =
      parse_head(std::string_view(in).substr(0, end + 4), limits_.http, context->request, connection.framing);
  in.erase(0, end + 4);
  if (status == HeadStatus::too_large) {
    refuse(connection, 431, "headers_too_large", "the request line or the header fields are too long");
    return false;
  }
  if (status == HeadStatus::malformed) {
    refuse(connection, 400, "bad_request", "malformed HTTP request");
    return false;
  }
  context->address = connection.address;
  context->client_fd = connection.fd;
  connection.context = std::move(context);
  begin_request(connection);
  return true;
}

void HttpServer::begin_request(Connection& connection) {
  RequestContext& context = *connection.context;
  const BodyFraming& framing = connection.framing;
  ++active_;
  ++connection.served;
  connection.begun = false;
  // The last quarter of the places is for new clients, not for those that rest between two requests.
  const bool crowded = open_ > limits_.connections - limits_.connections / 4;
  connection.close_after =
      !context.request.keep_alive() || draining_ || crowded || connection.served >= kMaxRequestsPerConnection;
  bool answered = callbacks_.begin(context);
  if (!answered && !framing.chunked && framing.length > limits_.body_bytes) {
    context.error(ApiError(413, "body_too_large",
                           "the body is larger than " + std::to_string(limits_.body_bytes) + " bytes"));
    answered = true;
  }
  if (answered) {
    if (framing.has_body()) connection.close_after = true;  // it would be read as the next request
    return start_response(connection);
  }
  if (!framing.has_body()) return dispatch(connection);
  connection.state = Connection::State::body;
  connection.last_deadline = Clock::now() + limits_.body;
  connection.deadline = Clock::now() + limits_.read;
  if (connection.in.empty() && same_ignoring_case(context.request.header("Expect"), "100-continue")) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    [[maybe_unused]] const auto sent =
        ::send(connection.fd, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

void HttpServer::read_body(Connection& connection) {
  RequestContext& context = *connection.context;
  std::string& body = context.request.body;
  const auto fail = [&](int status, const char* code, const std::string& message) {
    context.error(ApiError(status, code, message));
    connection.close_after = true;
    start_response(connection);
  };
  if (connection.framing.chunked) {
    std::string_view input = connection.in;
    const auto status =
        connection.decoder.decode(input, body, limits_.body_bytes, limits_.http.trailer_bytes);
    connection.in.erase(0, connection.in.size() - input.size());
    if (status == ChunkedDecoder::Status::malformed)
      return fail(400, "bad_request", "malformed chunked body");
    if (status == ChunkedDecoder::Status::too_large)
      return fail(413, "body_too_large",
                  "the body is larger than " + std::to_string(limits_.body_bytes) + " bytes");
    if (status == ChunkedDecoder::Status::done) return dispatch(connection);
  } else {
    const std::size_t count = std::min(connection.framing.length - body.size(), connection.in.size());
    body.append(connection.in, 0, count);
    connection.in.erase(0, count);
    if (body.size() == connection.framing.length) return dispatch(connection);
  }
  if (connection.input_ended) return fail(400, "incomplete_body", "the body ended early");
  watch(connection, EPOLLIN);
}

// Answers what is not a request.
void HttpServer::refuse(Connection& connection, int status, const char* code, const char* message) {
  RequestContext context;
  context.error(ApiError(status, code, message));
  connection.close_after = true;
  connection.out = serialize_head(context.response, true, false) + context.response.body;
  connection.sent = 0;
  connection.state = Connection::State::writing;
  connection.deadline = connection.last_deadline = Clock::now() + limits_.write;
  flush(connection);
}

}  // namespace qwen_serve
