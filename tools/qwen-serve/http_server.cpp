#include "qwen-serve/http_server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "qwen/error.h"

namespace qwen_serve {
namespace {

using std::chrono::milliseconds;

constexpr int kBacklog = 511;
constexpr int kAcceptsAtOnce = 64;
constexpr int kMaxRequestsPerConnection = 1000;
constexpr std::size_t kBeyondLimit = 64;  // connections beyond the limit that get a 503
constexpr std::size_t kLingerBytes = 1 << 20;
constexpr milliseconds kAcceptPause{100};
constexpr milliseconds kSendSlice{100};

[[noreturn]] void throw_io(const std::string& what, int error) {
  throw qwen::Error(qwen::ErrorCode::io, what + ": " + std::strerror(error));
}

std::string address_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  else if (address.ss_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  return text;
}

// The rest of accept()'s errors are a client's or the network's, and pass.
bool is_fatal_accept_error(int error) {
  return error == EBADF || error == EINVAL || error == ENOTSOCK || error == EFAULT;
}

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

int HttpServer::bind(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string where = "cannot listen on " + host + " port " + std::to_string(port);
  if (const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0)
    throw qwen::Error(qwen::ErrorCode::io, where + ": " + ::gai_strerror(code));
  int error = EADDRNOTAVAIL;
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    const int fd = ::socket(entry->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (entry->ai_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    // The host's other addresses get the port that the first was given.
    const std::uint16_t wanted = htons(static_cast<std::uint16_t>(port));
    if (entry->ai_family == AF_INET) reinterpret_cast<sockaddr_in*>(entry->ai_addr)->sin_port = wanted;
    if (entry->ai_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(entry->ai_addr)->sin6_port = wanted;
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (::bind(fd, entry->ai_addr, entry->ai_addrlen) != 0 || ::listen(fd, kBacklog) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
      error = errno;
      ::close(fd);
      // Half of the addresses would be another program's.
      if (error == EADDRINUSE) break;
      continue;
    }
    port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(bound).sin_port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    listeners_.push_back(fd);
    error = 0;
  }
  ::freeaddrinfo(found);
  if (listeners_.empty() || error == EADDRINUSE) throw_io(where, error);
  return port;
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

void HttpServer::accept_all(int listener) {
  for (int i = 0; i < kAcceptsAtOnce && !accept_paused_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd =
        ::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      add_connection(fd, address_of(address));
      continue;
    }
    const int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) return;
    if (is_fatal_accept_error(error)) throw_io("cannot accept connections", error);
    ++accept_errors_;
    // A connection that broke before it was accepted; other errors may last for a while.
    if (error != ECONNABORTED && error != EINTR) pause_accepting();
  }
}

void HttpServer::pause_accepting() {
  accept_paused_ = true;
  accept_again_ = Clock::now() + kAcceptPause;
}

void HttpServer::add_connection(int fd, const std::string& address) {
  const auto limit = static_cast<std::size_t>(limits_.connections);
  if (connections_.size() >= limit + kBeyondLimit) {
    ::close(fd);
    return;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto connection = std::make_unique<Connection>();
  connection->fd = fd;
  connection->address = address;
  connection->deadline = Clock::now() + limits_.idle;
  connection->beyond_limit = open_ >= limits_.connections;
  connections_.push_back(std::move(connection));
  Connection& added = *connections_.back();
  if (added.beyond_limit)
    return refuse(added, 503, "too_many_connections", "too many open connections; try again later");
  ++open_;
  watch(added, EPOLLIN);
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
