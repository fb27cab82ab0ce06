#include "qwen-serve/http_server.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "qwen-serve/http_connection.h"

namespace qwen_serve {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLingerBytes = 1 << 20;

}  // namespace

HttpServer::HttpServer(const ConnectionLimits& limits, Callbacks callbacks)
    : limits_(limits),
      callbacks_(std::move(callbacks)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (epoll_ < 0 || event_ < 0) throw_io("cannot create a polling descriptor", errno);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = event_;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event);
  workers_ = std::make_unique<WorkerPool>(limits_.workers, limits_.worker_idle);
}

HttpServer::~HttpServer() {
  workers_.reset();
  for (const auto& connection : connections_)
    if (connection->state != Connection::State::closed) ::close(connection->fd);
  for (const int fd : listeners_) ::close(fd);
  ::close(event_);
  ::close(epoll_);
}

void HttpServer::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);  // full: it is awake already
}

void HttpServer::drain() {
  draining_ = true;
  wake();
}

void HttpServer::close() {
  closed_ = true;
  wake();
}

int HttpServer::poll_timeout() const {
  Clock::time_point first = accept_paused_ ? accept_again_ : Clock::time_point::max();
  for (const auto& connection : connections_) first = std::min(first, connection->deadline);
  if (first == Clock::time_point::max()) return -1;
  const auto left = std::chrono::duration_cast<milliseconds>(first - Clock::now()).count() + 1;
  return static_cast<int>(std::clamp<long>(left, 0, 60000));
}

void HttpServer::serve() {
  constexpr int kEvents = 64;
  epoll_event events[kEvents];
  while (!closed_) {
    const int count = ::epoll_wait(epoll_, events, kEvents, poll_timeout());
    if (count < 0 && errno != EINTR) throw_io("epoll_wait", errno);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == event_) {
        std::uint64_t value = 0;
        [[maybe_unused]] const auto taken = ::read(event_, &value, sizeof value);
        continue;
      }
      if (std::find(listeners_.begin(), listeners_.end(), fd) != listeners_.end()) {
        accept_all(fd);
        continue;
      }
      const auto found = std::find_if(connections_.begin(), connections_.end(), [fd](const auto& connection) {
        return connection->fd == fd && connection->state != Connection::State::closed;
      });
      if (found != connections_.end()) on_event(**found, events[i].events);
    }
    take_back_finished();
    const Clock::time_point now = Clock::now();
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      Connection& connection = *connections_[i];
      const bool rests = connection.state == Connection::State::head && !connection.begun;
      if (draining_ && rests && connection.served > 0)
        linger(connection);
      else if (connection.deadline <= now)
        on_deadline(connection);
    }
    std::erase_if(connections_, [](const auto& c) { return c->state == Connection::State::closed; });
    if (accept_paused_ && now >= accept_again_) {
      accept_paused_ = false;
      for (const int fd : listeners_) accept_all(fd);
    }
  }
  // Requests that workers still answer are finished, so that each gets its line in the access log.
  const auto is_working = [](const auto& c) { return c->state == Connection::State::working; };
  while (std::any_of(connections_.begin(), connections_.end(), is_working)) {
    pollfd item{event_, POLLIN, 0};
    ::poll(&item, 1, 50);
    take_back_finished();
  }
}

void HttpServer::watch(Connection& connection, unsigned events) {
  if (connection.watched == events) return;
  epoll_event event{};
  event.events = events;
  event.data.fd = connection.fd;
  const int operation = events == 0 ? EPOLL_CTL_DEL : connection.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  connection.watched = events;
  if (::epoll_ctl(epoll_, operation, connection.fd, &event) != 0) remove(connection);
}

void HttpServer::remove(Connection& connection) {
  if (connection.state == Connection::State::closed) return;
  if (connection.context) {  // the polling thread gives up a request: no memory for epoll
    connection.context.reset();
    --active_;
  }
  connection.state = Connection::State::closed;
  connection.deadline = Clock::time_point::max();
  if (!connection.beyond_limit) --open_;
  ::close(connection.fd);
}

void HttpServer::on_event(Connection& connection, unsigned) {
  switch (connection.state) {
    case Connection::State::head:
    case Connection::State::body:
      if (!receive(connection)) connection.input_ended = true;
      advance(connection);
      break;
    case Connection::State::writing:
      flush(connection);
      advance(connection);
      break;
    case Connection::State::lingering: {
      char scrap[16384];
      const ssize_t count = ::recv(connection.fd, scrap, sizeof scrap, 0);
      if (count > 0) connection.lingered += static_cast<std::size_t>(count);
      const bool again = count < 0 && (errno == EAGAIN || errno == EINTR);
      if ((count <= 0 && !again) || connection.lingered > kLingerBytes) remove(connection);
      break;
    }
    case Connection::State::working:
    case Connection::State::closed: break;
  }
}

void HttpServer::on_deadline(Connection& connection) {
  switch (connection.state) {
    case Connection::State::head:
      if (!connection.begun) return remove(connection);
      return refuse(connection, 408, "request_timeout", "the request's head did not arrive in time");
    case Connection::State::body:
      connection.context->error(ApiError(400, "incomplete_body", "the body did not arrive in time"));
      connection.close_after = true;
      return start_response(connection);
    case Connection::State::writing: connection.failed = true; return finish(connection, false);
    case Connection::State::lingering: return remove(connection);
    case Connection::State::working:
    case Connection::State::closed: break;
  }
}

}  // namespace qwen_serve
