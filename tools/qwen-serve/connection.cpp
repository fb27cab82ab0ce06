#include "qwen-serve/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "qwen-serve/exchange.h"

namespace qwen_serve {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

thread_local Connection* current_connection = nullptr;

constexpr milliseconds kStopCheck{100};
constexpr std::size_t kLingerBytes = 1 << 20;

// Whether `event` comes within `wait`.
bool wait_for(int fd, short event, milliseconds wait) {
  const Clock::time_point deadline = Clock::now() + wait;
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
    pollfd item{fd, event, 0};
    const int found = ::poll(&item, 1, static_cast<int>(std::max<long>(left, 0)));
    if (found > 0) return true;
    if (found == 0 || errno != EINTR) return false;
  }
}

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

Connection::Connection(int fd, const ConnectionLimits& limits) : fd_(fd), limits_(limits) {
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL, 0) | O_NONBLOCK);
  ::fcntl(fd_, F_SETFD, FD_CLOEXEC);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char text[INET6_ADDRSTRLEN] = "";
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    if (address.ss_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
      ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
      port_ = ntohs(v4->sin_port);
    } else if (address.ss_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
      ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
      port_ = ntohs(v6->sin6_port);
    }
  }
  address_ = text;
  current_connection = this;
}

Connection::~Connection() {
  current_connection = nullptr;
  // Closing with unread bytes resets the connection, and the client may lose the answer that it was sent.
  ::shutdown(fd_, SHUT_WR);
  if (close_after_ && !write_failed_) {
    const Clock::time_point deadline = Clock::now() + limits_.linger;
    char scrap[4096];
    for (std::size_t taken = 0; taken < kLingerBytes && Clock::now() < deadline;) {
      if (!wait_for(fd_, POLLIN, std::chrono::duration_cast<milliseconds>(deadline - Clock::now()))) break;
      const ssize_t n = ::recv(fd_, scrap, sizeof scrap, 0);
      if (n <= 0) break;
      taken += static_cast<std::size_t>(n);
    }
  }
  ::close(fd_);
}

Connection* Connection::current() noexcept {
  return current_connection;
}

// Appends what has come to the buffer: 0 where the client has closed, -1 where nothing came in time.
ssize_t Connection::receive(milliseconds wait) {
  if (!wait_for(fd_, POLLIN, wait)) return -1;
  char bytes[4096];
  const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
  buffer_.append(bytes, static_cast<std::size_t>(n));
  return n;
}

Connection::Head Connection::read_head(const std::function<bool()>& stop) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  has_body_ = false;
  Clock::time_point deadline = Clock::now() + (buffer_.empty() ? limits_.idle : limits_.head);
  bool begun = !buffer_.empty();
  for (;;) {
    const std::size_t end = buffer_.find("\r\n\r\n");
    if (end != std::string::npos) return check_head(end);
    if (buffer_.size() > limits_.head_bytes) return Head::too_large;
    const auto now = Clock::now();
    if (now >= deadline) return begun ? Head::late : Head::closed;
    if (stop() && !begun) return Head::closed;
    const ssize_t n = receive(
        std::min(kStopCheck, std::chrono::duration_cast<milliseconds>(deadline - now) + milliseconds(1)));
    if (n == 0) return Head::closed;
    if (n > 0 && !begun) {
      begun = true;
      deadline = Clock::now() + limits_.head;
    }
  }
}

// The request line's form and the framing of the body, so that what follows reads them in one way only.
Connection::Head Connection::check_head(std::size_t end) {
  if (end + 4 > limits_.head_bytes) return Head::too_large;
  const std::string_view head(buffer_.data(), end + 2);
  const std::size_t line_end = head.find("\r\n");
  if (line_end > limits_.line_bytes) return Head::too_large;
  const std::string_view line = head.substr(0, line_end);
  const std::size_t space = line.find(' '), last = line.rfind(' ');
  if (space == 0 || space == std::string_view::npos || last == space) return Head::bad;
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Head::bad;
  if (line[space + 1] != '/' && line.substr(space + 1, last - space - 1) != "*") return Head::bad;
  for (const char c : head)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\r' && c != '\n' && c != '\t') return Head::bad;

  int headers = 0, lengths = 0, encodings = 0;
  for (std::size_t at = line_end + 2; at < head.size();) {
    const std::size_t stop = head.find("\r\n", at);
    const std::string_view header = head.substr(at, stop - at);
    at = stop + 2;
    const std::size_t colon = header.find(':');
    if (colon == 0 || colon == std::string_view::npos) return Head::bad;
    if (header.find_first_of("\r\n") != std::string_view::npos) return Head::bad;
    const std::string_view name = header.substr(0, colon), value = trimmed(header.substr(colon + 1));
    if (name.find_first_of(" \t") != std::string_view::npos) return Head::bad;
    if (++headers > limits_.headers) return Head::too_large;
    if (same_word(name, "Content-Length")) {
      ++lengths;
      if (value.empty() || value.size() > 18 ||
          value.find_first_not_of("0123456789") != std::string_view::npos)
        return Head::bad;
      has_body_ = value.find_first_not_of('0') != std::string_view::npos;
    }
    if (same_word(name, "Transfer-Encoding")) {
      ++encodings;
      if (!same_word(value, "chunked")) return Head::bad;
      has_body_ = true;
    }
  }
  if (lengths + encodings > 1) return Head::bad;
  body_deadline_ = Clock::now() + limits_.body;
  return Head::ready;
}

bool Connection::is_readable() const {
  return begin_ < buffer_.size() || wait_for(fd_, POLLIN, limits_.read);
}

bool Connection::is_writable() const {
  if (write_failed_) return false;
  pollfd item{fd_, POLLOUT | POLLRDHUP, 0};
  if (::poll(&item, 1, 0) < 0) return false;
  return (item.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0;
}

ssize_t Connection::read(char* data, std::size_t size) {
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
    const auto left = std::chrono::duration_cast<milliseconds>(body_deadline_ - Clock::now());
    if (left <= milliseconds(0)) return -1;
    const ssize_t n = receive(std::min(left, limits_.read));
    if (n <= 0) return n;
  }
  const std::size_t n = std::min(size, buffer_.size() - begin_);
  std::copy_n(buffer_.data() + begin_, n, data);
  begin_ += n;
  return static_cast<ssize_t>(n);
}

ssize_t Connection::write(const char* data, std::size_t size) {
  if (write_failed_) return -1;
  const Clock::time_point end = Clock::now() + limits_.body;
  Clock::time_point deadline = Clock::now() + limits_.write;
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::send(fd_, data + done, size - done, MSG_NOSIGNAL);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
      written_ += static_cast<std::size_t>(n);
      deadline = std::min(Clock::now() + limits_.write, end);
      continue;
    }
    const bool full = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (n < 0 && errno == EINTR) continue;
    if (!full || left <= milliseconds(0) || !wait_for(fd_, POLLOUT, left)) {
      write_failed_ = true;
      return -1;
    }
  }
  return static_cast<ssize_t>(size);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = address_;
  port = port_;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace qwen_serve
