// cpp-httplib's server with this program's connections: bounded in number, in time and in what they may send.
#pragma once
#include <atomic>
#include <functional>
#include <string>

#include "qwen-serve/connection.h"

namespace qwen_serve {

class HttpServer final : public httplib::Server {
 public:
  // `handle` answers a request; the Exchange is Connection::current()->exchange. `finished` comes after the
  // last byte of the answer was written, or could not be.
  struct Callbacks {
    std::function<void(Exchange&, const httplib::ContentReader*)> handle;
    std::function<void(Exchange&, std::size_t bytes, bool complete)> finished;
  };
  HttpServer(int max_connections, const ConnectionLimits& limits, Callbacks callbacks);

  // The port that was bound; port 0 takes a free one. Error(io) where it cannot be.
  int bind(const std::string& host, int port);
  // Returns after close().
  void serve();
  // Answers what is under way, and takes no further request on any connection.
  void drain() noexcept { draining_ = true; }
  // Ends serve(): no more connections are accepted.
  void close();
  int connections() const noexcept { return connections_; }
  int active() const noexcept { return active_; }  // requests being answered

 private:
  class Threads;
  bool process_and_close_socket(socket_t fd) override;
  bool serve_request(Connection& connection, bool last);
  void refuse(Connection& connection, int status, const char* reason, const char* code, const char* message);
  void route(const httplib::Request& request, httplib::Response& response,
             const httplib::ContentReader* reader);

  int max_connections_;
  ConnectionLimits limits_;
  Callbacks callbacks_;
  std::atomic<bool> draining_{false}, closed_{false}, served_{false};
  std::atomic<int> connections_{0}, active_{0};
};

}  // namespace qwen_serve
