// qwen-serve: the library behind HTTP.
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "common/config.h"
#include "common/output.h"
#include "common/program.h"
#include "qwen-serve/http_server.h"
#include "qwen-serve/network_addresses.h"
#include "qwen-serve/router.h"

namespace qwen_serve {
namespace {

constexpr int kExitNow = 130;  // the second signal
constexpr int kOtherWorkers = 16;

// One thread receives the signals; all threads started from here on block them.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

// The first signal: new work is refused; requests under way finish, or are cancelled after --drain seconds.
void drain(Service& service, HttpServer& server) {
  using namespace std::chrono;
  const auto deadline = steady_clock::now() + seconds(service.options.drain);
  service.admission.close();
  server.drain();
  std::fprintf(stderr, "qwen-serve: shutting down: %d requests under way\n", service.admission.taken());
  if (!service.admission.wait(seconds(service.options.drain))) service.watch.cancel_all();
  // The last bytes of the answers.
  const auto last = std::max(deadline, steady_clock::now() + seconds(1));
  while (server.active() > 0 && steady_clock::now() < last) std::this_thread::sleep_for(milliseconds(5));
  server.close();
}

std::string guard(std::size_t keys) {
  if (keys == 0) return "no API key";
  return std::to_string(keys) + (keys == 1 ? " API key" : " API keys");
}

std::string url_of(const std::string& host, int port) {
  const std::string shown = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return "http://" + shown + ":" + std::to_string(port);
}

// The first model's id, and how many others there are.
std::string models_text(const Service& service) {
  const std::size_t others = service.models.size() - 1;
  const std::string& id = service.models.card(0).id;
  return others == 0 ? id : id + " and " + std::to_string(others) + (others == 1 ? " other" : " others");
}

void show_ready(Service& service, int port) {
  const int threads = service.models.get(0)->model.threads();
  const std::string& host = service.options.host;
  tools::stream_out("qwen-serve: ready: " + url_of(host, port) + " (" + models_text(service) + ", " +
                    std::to_string(threads) + " threads, " + guard(service.keys.count()) + ")\n");
  for (const std::string& address : reachable_addresses(host))
    tools::stream_out("qwen-serve: for other devices: " + url_of(address, port) + "\n");
  const bool local = host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
  if (!local && !service.keys.required())
    tools::warn("anyone who can reach " + host + " may use this server: no API key is set (--api-key-file)");
}

int serve(const Options& options) {
  const sigset_t signals = block_signals();
  Service service(options);
  ConnectionLimits limits;
  limits.connections = options.connections;
  limits.body_bytes = static_cast<std::size_t>(options.max_body);
  // A worker for each request that may wait for the model, and some for all others.
  limits.workers = service.admission.limit() + kOtherWorkers;
  HttpServer server(limits, {[&](RequestContext& context) { return begin_request(service, context); },
                             [&](RequestContext& context) { handle_request(service, context); },
                             [&](RequestContext& context, std::size_t bytes, bool complete) {
                               finish_request(service, context, bytes, complete);
                             }});
  const auto add_reading = [&](Metrics::Reading::Kind kind, const char* name, const char* help, auto read) {
    service.metrics.add({kind, name, help, [read] { return static_cast<double>(read()); }});
  };
  add_reading(Metrics::Reading::gauge, "qwen_connections", "Open connections",
              [&] { return server.connections(); });
  add_reading(Metrics::Reading::gauge, "qwen_worker_threads", "Threads that answer requests",
              [&] { return server.workers(); });
  add_reading(Metrics::Reading::counter, "qwen_worker_start_failures_total",
              "Threads that the system refused to start", [&] { return server.failed_worker_starts(); });
  add_reading(Metrics::Reading::counter, "qwen_accept_errors_total", "Failed attempts to accept a connection",
              [&] { return server.accept_errors(); });
  const int port = server.bind(options.host, options.port);
  std::thread([&, signals] {
    int signal = 0;
    ::sigwait(&signals, &signal);
    std::thread([signals] {
      int again = 0;
      ::sigwait(&signals, &again);
      std::quick_exit(kExitNow);
    }).detach();
    drain(service, server);
  }).detach();
  show_ready(service, port);
  std::thread warming([&] { service.warm_up(); });
  try {
    server.serve();
  } catch (...) {
    warming.join();
    throw;
  }
  warming.join();
  return tools::kExitOk;
}

int run(const std::vector<std::string>& arguments) {
  tools::CommandLine app;
  Options options;
  add_options(app, options);
  const std::string intro =
      "qwen-serve: small Qwen models over HTTP, with a web page\nusage: qwen-serve [-m MODEL] [OPTIONS]\n\n";
  return tools::run_command_line(app, {"qwen-serve", "qwen-serve", intro, ""}, arguments, [&] {
    if (!options.print_config) return serve(options);
    tools::write_out(tools::config_sample(app));
    return tools::kExitOk;
  });
}

}  // namespace
}  // namespace qwen_serve

int main(int argc, char** argv) {
  return tools::run_program("qwen-serve", [&] {
    return qwen_serve::run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  });
}
