#include "qwen-serve/http_server.h"

#include <sys/socket.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "qwen-serve/exchange.h"

namespace qwen_serve {
namespace {

constexpr int kBacklog = 511;
constexpr int kRequestsOnConnection = 1000;

constexpr int kRefusers = 16;  // threads beyond the limit, which tell clients that there are too many

// Set on the accepting thread where even those are taken.
thread_local bool turning_away = false;

}  // namespace

// A thread for each connection, kept for the next one, so that a request that waits never stands in another's
// way. What is beyond the limit is told so at once.
class HttpServer::Threads final : public httplib::TaskQueue {
 public:
  explicit Threads(int limit) : limit_(static_cast<std::size_t>(limit)) {}

  void enqueue(std::function<void()> job) override {
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.size() < idle_) {
        jobs_.push_back(std::move(job));
        wake_.notify_one();
        return;
      }
      if (threads_.size() < limit_) {
        jobs_.push_back(std::move(job));
        threads_.emplace_back([this] { run(); });
        ++idle_;  // until it takes its first job
        return;
      }
    }
    turning_away = true;
    job();
    turning_away = false;
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      --idle_;
      lock.unlock();
      job();
      lock.lock();
      ++idle_;
    }
  }

  std::size_t limit_, idle_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  bool stop_ = false;
};

HttpServer::HttpServer(int max_connections, const ConnectionLimits& limits, Callbacks callbacks)
    : max_connections_(max_connections), limits_(limits), callbacks_(std::move(callbacks)) {
  new_task_queue = [this] { return new Threads(max_connections_ + kRefusers); };  // httplib takes ownership
  set_keep_alive_max_count(kRequestsOnConnection);
  set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(limits_.idle).count());
  set_socket_options([](socket_t fd) {
    const int on = 1;  // but no SO_REUSEPORT: two servers on one port are a mistake
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  const auto plain = [this](const httplib::Request& request, httplib::Response& response) {
    route(request, response, nullptr);
  };
  const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader& reader) { route(request, response, &reader); };
  Get(".*", plain).Options(".*", plain);
  Post(".*", with_body).Put(".*", with_body).Patch(".*", with_body).Delete(".*", with_body);
  set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    const ApiError error(response.status, "bad_request", "the request cannot be read");
    response.set_content(dump(error.body()) + "\n", "application/json");
  });
  set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
    Connection& connection = *Connection::current();
    if (connection.exchange) connection.exchange->record.status = response.status;
    if (!connection.closes()) return;
    response.headers.erase("Keep-Alive");
    response.headers.erase("Connection");
    response.set_header("Connection", "close");
  });
}

int HttpServer::bind(const std::string& host, int port) {
  const int bound = port == 0 ? bind_to_any_port(host) : bind_to_port(host, port) ? port : -1;
  if (bound < 0)
    throw qwen::Error(qwen::ErrorCode::io, "cannot listen on " + host + " port " + std::to_string(port) +
                                               ": " + (errno ? std::strerror(errno) : "no such address"));
  // httplib listens with a backlog of 5: clients that come together would wait a second for a second try.
  ::listen(svr_sock_, kBacklog);
  return bound;
}

void HttpServer::serve() {
  const bool ended_well = listen_after_bind();
  served_ = true;
  // httplib gives up listening at the first error of accept(): whoever watches this process starts it again.
  if (!ended_well && !closed_)
    throw qwen::Error(qwen::ErrorCode::io,
                      std::string("cannot take connections any more: ") + std::strerror(errno));
}

void HttpServer::close() {
  closed_ = true;
  // stop() does nothing before the server runs: a signal may be that early.
  while (!is_running() && !served_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  stop();
}

void HttpServer::refuse(Connection& connection, int status, const char* reason, const char* code,
                        const char* message) {
  const std::string body = dump(ApiError(status, code, message).body()) + "\n";
  std::string answer = "HTTP/1.1 " + std::to_string(status) + " " + reason +
                       "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n";
  if (status == 503) answer += "Retry-After: 1\r\n";
  answer += "\r\n" + body;
  connection.close_after();
  connection.write(answer.data(), answer.size());
}

void HttpServer::route(const httplib::Request& request, httplib::Response& response,
                       const httplib::ContentReader* reader) {
  Connection& connection = *Connection::current();
  connection.exchange = std::make_unique<Exchange>(request, response);
  try {
    callbacks_.handle(*connection.exchange, reader);
  } catch (...) {
    connection.exchange->error(current_api_error());
  }
}

bool HttpServer::serve_request(Connection& connection, bool last) {
  ++active_;
  if (last) connection.close_after();
  bool closed = false;
  const std::size_t before = connection.bytes_written();
  const bool written = process_request(connection, last, closed, [](httplib::Request& request) {
    // Compressed answers would hold streamed text back; ranges of computed answers make no sense.
    request.headers.erase("Accept-Encoding");
    request.ranges.clear();
  });
  if (connection.exchange) {
    callbacks_.finished(*connection.exchange, connection.bytes_written() - before,
                        written && !connection.write_failed());
    connection.exchange.reset();
  }
  --active_;
  return written && !closed && !connection.closes() && !connection.write_failed();
}

bool HttpServer::process_and_close_socket(socket_t fd) {
  ConnectionLimits limits = limits_;
  if (turning_away) limits.write = limits.linger = std::chrono::milliseconds(0);
  Connection connection(fd, limits);
  const struct Counted {
    explicit Counted(std::atomic<int>& count) : count(count), value(++count) {}
    ~Counted() { --count; }
    std::atomic<int>& count;
    int value;
  } open(connections_);
  if (turning_away || open.value > max_connections_) {
    refuse(connection, 503, "Service Unavailable", "too_many_connections",
           "too many connections are open; try again later");
    return true;
  }
  bool more = true;
  for (int served = 1; more; ++served) {
    // While draining, those who rest between two requests are sent away, and those who come are answered.
    const auto stop = [&] { return closed_ || (draining_ && served > 1); };
    switch (connection.read_head(stop)) {
      case Connection::Head::ready: {
        // The last free places are for those who come anew, not for those who rest between two requests.
        const bool crowded = connections_ > max_connections_ - max_connections_ / 4;
        more = serve_request(connection, served >= kRequestsOnConnection || draining_ || crowded);
        continue;
      }
      case Connection::Head::closed: break;
      case Connection::Head::late:
        refuse(connection, 408, "Request Timeout", "request_timeout",
               "the request's headers did not come in time");
        break;
      case Connection::Head::too_large:
        refuse(connection, 431, "Request Header Fields Too Large", "headers_too_large",
               "the request line or the headers are too long");
        break;
      case Connection::Head::bad:
        refuse(connection, 400, "Bad Request", "bad_request", "this is no HTTP/1.1 request that can be read");
        break;
    }
    more = false;
  }
  return true;
}

}  // namespace qwen_serve
