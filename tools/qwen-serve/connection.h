// One client's connection: reading within bounds, writing within a time, and noticing that the client is
// gone.
#pragma once
#include <httplib.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace qwen_serve {

struct Exchange;

struct ConnectionLimits {
  std::size_t head_bytes = 16 << 10;  // request line and headers
  std::size_t line_bytes = 4 << 10;   // request line
  int headers = 64;
  std::chrono::milliseconds idle{30000};  // between two requests
  std::chrono::milliseconds head{10000};  // from a request's first byte to the end of its headers
  std::chrono::milliseconds read{10000};  // for the next bytes of a body
  std::chrono::milliseconds body{
      60000};  // for all of a body, and for all of an answer that is written at once
  std::chrono::milliseconds write{10000};  // for the client to take any bytes
  std::chrono::milliseconds linger{500};   // for the client to stop sending after the last answer
};

class Connection final : public httplib::Stream {
 public:
  Connection(int fd, const ConnectionLimits& limits);
  ~Connection() override;  // answers nothing; closes without cutting off what was sent
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The connection that this thread serves.
  static Connection* current() noexcept;

  enum class Head {
    ready,      // a request's head is here and within bounds
    closed,     // the client has closed, was idle too long, or `stop` said so
    late,       // began a request and did not go on
    too_large,  // head, request line or number of headers
    bad,        // no HTTP/1.0 or 1.1, or framing that could be read in two ways
  };
  // Waits for the next request. `stop` is asked between requests.
  Head read_head(const std::function<bool()>& stop);
  // The head announces a body that nobody has read.
  bool has_body() const noexcept { return has_body_; }
  // No request can follow on this connection.
  void close_after() noexcept { close_after_ = true; }
  bool closes() const noexcept { return close_after_; }
  bool write_failed() const noexcept { return write_failed_; }
  std::size_t bytes_written() const noexcept { return written_; }
  int fd() const noexcept { return fd_; }
  const std::string& address() const noexcept { return address_; }

  std::unique_ptr<Exchange> exchange;  // the request being served

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  Head check_head(std::size_t end);
  ssize_t receive(std::chrono::milliseconds wait);

  int fd_;
  ConnectionLimits limits_;
  std::string address_;
  int port_ = 0;
  std::string buffer_;     // received and not yet read
  std::size_t begin_ = 0;  // of what is left of it
  std::chrono::steady_clock::time_point body_deadline_{};
  bool has_body_ = false, close_after_ = false, write_failed_ = false;
  std::size_t written_ = 0;
};

}  // namespace qwen_serve
