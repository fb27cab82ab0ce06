// How the HTTP server answers requests.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>

#include "qwen-serve/http_connection.h"

namespace qwen_serve {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSendSlice{100};

// Blocks until everything is sent. False if the client takes nothing for `wait`, is gone, or `stop` is set.
bool send_all(int fd, std::string_view data, milliseconds wait, const std::atomic<bool>& stop) {
  auto deadline = std::chrono::steady_clock::now() + wait;
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      data.remove_prefix(static_cast<std::size_t>(sent));
      deadline = std::chrono::steady_clock::now() + wait;
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (stop || std::chrono::steady_clock::now() >= deadline) return false;
    pollfd item{fd, POLLOUT, 0};
    ::poll(&item, 1, static_cast<int>(kSendSlice.count()));
  }
  return true;
}

}  // namespace

void HttpServer::dispatch(Connection& connection) {
  connection.state = Connection::State::working;
  connection.deadline = Clock::time_point::max();
  connection.streamed = 0;
  watch(connection, 0);
  if (connection.state == Connection::State::working) workers_->submit([&] { work(connection); });
}

void HttpServer::work(Connection& connection) {
  callbacks_.handle(*connection.context);
  if (connection.context->response.stream) stream(connection);
  {
    const std::lock_guard lock(mutex_);
    finished_.push_back(&connection);
  }
  wake();
}

void HttpServer::stream(Connection& connection) {
  RequestContext& context = *connection.context;
  const bool chunked = context.request.minor_version >= 1;
  if (!chunked || draining_) connection.close_after = true;
  const auto send = [&](std::string_view data) {
    connection.failed = connection.failed || !send_all(connection.fd, data, limits_.write, closed_);
    if (!connection.failed) connection.streamed += data.size();
    return !connection.failed;
  };
  send(serialize_head(context.response, connection.close_after, chunked));
  StreamWriter out([&](std::string_view text) {
    if (!chunked) return send(text);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return send(size + std::string(text) + "\r\n");
  });
  context.response.stream(out);
  if (out.alive() && chunked) send("0\r\n\r\n");
  connection.failed = connection.failed || !out.alive();
}

void HttpServer::take_back_finished() {
  std::vector<Connection*> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (Connection* connection : finished) {
    if (connection->context->response.stream)
      finish(*connection, !connection->failed);
    else
      start_response(*connection);
    advance(*connection);
  }
}

void HttpServer::start_response(Connection& connection) {
  const RequestContext& context = *connection.context;
  connection.close_after = connection.close_after || draining_;
  connection.out = serialize_head(context.response, connection.close_after, false);
  if (context.request.method != "HEAD") connection.out += context.response.body;
  connection.sent = 0;
  connection.state = Connection::State::writing;
  connection.last_deadline = Clock::now() + limits_.whole_response;
  connection.deadline = Clock::now() + limits_.write;
  flush(connection);
}

void HttpServer::flush(Connection& connection) {
  while (connection.sent < connection.out.size()) {
    const ssize_t count = ::send(connection.fd, connection.out.data() + connection.sent,
                                 connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (count > 0) {
      connection.sent += static_cast<std::size_t>(count);
      connection.deadline = std::min(Clock::now() + limits_.write, connection.last_deadline);
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return watch(connection, EPOLLOUT);
    } else if (!(count < 0 && errno == EINTR)) {
      connection.failed = true;
      break;
    }
  }
  finish(connection, !connection.failed);
}

// After a response: to the next request, or to the end of the connection.
void HttpServer::finish(Connection& connection, bool complete) {
  if (connection.context) {
    const std::size_t bytes = connection.streamed + connection.sent;
    callbacks_.finished(*connection.context, bytes, complete);
    connection.context.reset();
    --active_;
  }
  connection.out = {};
  connection.sent = connection.streamed = 0;
  if (!complete) return remove(connection);
  if (connection.close_after) return linger(connection);
  connection.state = Connection::State::head;
  connection.deadline = Clock::now() + limits_.idle;
}

// Closing with unread input would reset the connection, and the client might lose the response.
void HttpServer::linger(Connection& connection) {
  ::shutdown(connection.fd, SHUT_WR);
  connection.state = Connection::State::lingering;
  connection.deadline = Clock::now() + limits_.linger;
  connection.in = {};
  if (connection.input_ended)
    remove(connection);
  else
    watch(connection, EPOLLIN);
}

}  // namespace qwen_serve
