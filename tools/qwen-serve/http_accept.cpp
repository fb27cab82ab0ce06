// Listening sockets and new connections of the HTTP server.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qwen-serve/http_connection.h"

namespace qwen_serve {
namespace {

constexpr int kBacklog = 511;
constexpr int kAcceptsAtOnce = 64;
constexpr std::size_t kBeyondLimit = 64;  // connections beyond the limit that get a 503
constexpr std::chrono::milliseconds kAcceptPause{100};

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

}  // namespace

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

}  // namespace qwen_serve
