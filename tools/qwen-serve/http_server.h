// The HTTP server: one thread polls all connections and reads their requests; workers answer them.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "qwen-serve/request_context.h"
#include "qwen-serve/worker_pool.h"

namespace qwen_serve {

struct ConnectionLimits {
  HttpLimits http;
  int connections = 256;
  int workers = 64;  // threads that answer requests
  std::size_t body_bytes = 1 << 20;
  std::chrono::milliseconds idle{30000};            // between two requests
  std::chrono::milliseconds head{10000};            // from a request's first byte to the end of its head
  std::chrono::milliseconds body{60000};            // for the whole body
  std::chrono::milliseconds read{10000};            // for the next bytes of a body
  std::chrono::milliseconds write{10000};           // for the client to take any bytes
  std::chrono::milliseconds whole_response{60000};  // for a response that is not streamed
  std::chrono::milliseconds linger{500};            // for the client to stop sending after the last response
  std::chrono::milliseconds worker_idle{10000};     // after which an unused worker ends
};

class HttpServer {
 public:
  struct Callbacks {
    // On the polling thread when a request's head is complete. Returns true if the response is filled in
    // already: the request needs no worker, or is refused before its body is read. Must not block or throw.
    std::function<bool(RequestContext&)> begin;
    // On a worker, with the body. Throws nothing.
    std::function<void(RequestContext&)> handle;
    // After the last byte of the response was written, or could not be.
    std::function<void(RequestContext&, std::size_t bytes, bool complete)> finished;
  };
  HttpServer(const ConnectionLimits& limits, Callbacks callbacks);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens on every address of `host` and returns the port; port 0 takes a free one. Throws io.
  int bind(const std::string& host, int port);
  // Returns after close(). Throws io if polling fails.
  void serve();
  // Answers requests under way and accepts no further request on a connection that has been used.
  void drain();
  // Ends serve(), once the workers have finished.
  void close();

  int connections() const noexcept { return open_; }
  int active() const noexcept { return active_; }  // requests being answered
  int workers() const noexcept { return workers_->threads(); }
  long failed_worker_starts() const noexcept { return workers_->failed_starts(); }
  long accept_errors() const noexcept { return accept_errors_; }

 private:
  struct Connection;
  using Clock = std::chrono::steady_clock;

  void wake() const;
  int poll_timeout() const;
  void accept_all(int listener);
  void add_connection(int fd, const std::string& address);
  void pause_accepting();
  void on_event(Connection& connection, unsigned events);
  void on_deadline(Connection& connection);
  bool receive(Connection& connection);
  void advance(Connection& connection);
  bool read_head(Connection& connection);
  void begin_request(Connection& connection);
  void read_body(Connection& connection);
  void refuse(Connection& connection, int status, const char* code, const char* message);
  void dispatch(Connection& connection);
  void work(Connection& connection);
  void stream(Connection& connection);
  void start_response(Connection& connection);
  void take_back_finished();
  void flush(Connection& connection);
  void finish(Connection& connection, bool complete);
  void linger(Connection& connection);
  void watch(Connection& connection, unsigned events);
  void remove(Connection& connection);

  const ConnectionLimits limits_;
  const Callbacks callbacks_;
  int epoll_ = -1, event_ = -1;
  std::vector<int> listeners_;
  Clock::time_point accept_again_{};  // accepting is paused until then
  bool accept_paused_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::mutex mutex_;
  std::vector<Connection*> finished_;  // by workers, guarded by mutex_
  std::atomic<bool> draining_{false}, closed_{false};
  std::atomic<int> open_{0}, active_{0};
  std::atomic<long> accept_errors_{0};
  std::unique_ptr<WorkerPool> workers_;
};

}  // namespace qwen_serve
