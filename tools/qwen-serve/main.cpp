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
#include "qwen-serve/router.h"

namespace qwen_serve {
namespace {

constexpr int kExitNow = 130;  // the second signal

// Signals are taken by one thread; every thread that is made from here on leaves them alone.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

// The first signal: no more work is taken, what is under way is finished or, at the end of --drain,
// cancelled.
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

void show_ready(const Service& service, int port) {
  const std::string& host = service.options.host;
  const std::string shown = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  tools::stream_out("qwen-serve: ready: http://" + shown + ":" + std::to_string(port) + " (" +
                    service.model_id + ", " + std::to_string(service.model.threads()) + " threads, " + guard(service.keys.count()) + ")\n");
  const bool local = host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
  if (!local && !service.keys.required())
    tools::warn("anyone who reaches " + host +
                " may use this server: no API key is asked for (--api-key-file)");
}

int serve(const Options& options) {
  const sigset_t signals = block_signals();
  Service service(options, tools::load_model(options.model));
  HttpServer server(
      options.connections, {},
      {[&](Exchange& exchange, const httplib::ContentReader* reader) { answer(service, exchange, reader); },
       [&](Exchange& exchange, std::size_t bytes, bool complete) {
         finish(service, exchange, bytes, complete);
       }});
  service.metrics.add({Metrics::Reading::gauge, "qwen_connections", "Connections that are open",
                       [&] { return static_cast<double>(server.connections()); }});
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
  return tools::run_command_line(app, {"qwen-serve", "qwen-serve", intro, ""}, arguments,
                                 [&] { return serve(options); });
}

}  // namespace
}  // namespace qwen_serve

int main(int argc, char** argv) {
  return tools::run_program("qwen-serve", [&] {
    return qwen_serve::run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  });
}
