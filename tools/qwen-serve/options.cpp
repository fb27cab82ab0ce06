#include "qwen-serve/options.h"

namespace qwen_serve {
namespace {

using tools::between;
using tools::kMaxInt;

void add_model(CLI::App& app, Options& o) {
  tools::add_model_path(app, o.model);
  app.add_option("-t,--threads", o.model.threads, "Threads; 0 takes the physical cores that are free to use")
      ->check(between(0, 1024))
      ->type_name("N")
      ->group("Model");
  app.add_flag("--pin-threads", o.model.pin_threads, "Bind each thread to one core")->group("Model");
  tools::add_weight_options(app, o.model);
  tools::add_chat_template(app, o.model);
  app.add_option("--alias", o.alias, "Another id of the model for clients")
      ->type_name("NAME")
      ->group("Model");
  app.add_option("-c,--ctx-size", o.context,
                 "Tokens of context for each request (2048, or less where the model has less)")
      ->check(between(1, kMaxInt))
      ->type_name("N")
      ->group("Model");
  app.add_option("--kv-type", o.kv_type, "Type of the KV cache: auto (default), f16 or f32")
      ->check(CLI::IsMember({"auto", "f16", "f32"}).description(""))
      ->type_name("TYPE")
      ->group("Model");
  app.add_flag("-v,--verbose", o.model.verbose, "Details of the load on stderr")->group("Output");
  app.add_flag("--no-progress", o.model.no_progress, "No progress bar on a terminal")->group("Output");
  app.add_option("--access-log", o.access_log, "A line of JSON for each request: a file, or - for stdout")
      ->type_name("FILE")
      ->group("Output");
}

void add_answers(CLI::App& app, Options& o) {
  app.add_option("--tasks", o.task_folders,
                 "Folder of task files that add to the built-in ones (may be repeated)")
      ->allow_extra_args(false)
      ->type_name("DIR")
      ->group("Answers");
  app.add_option("--prefix-cache", o.prefix_folder,
                 "Folder that keeps the tasks' computed prompts for the next start")
      ->type_name("DIR")
      ->group("Answers");
  app.add_option("--task", o.task, "The page's task for the label (sentiment)")
      ->type_name("NAME")
      ->group("Answers");
  app.add_option("--chat-task", o.chat_task, "The page's task for the reply (chat)")
      ->type_name("NAME")
      ->group("Answers");
  const auto number = [&](const char* name, auto& value, double low, double high, const char* description) {
    app.add_option(name, value, description)->check(between(low, high))->type_name("N")->group("Answers");
  };
  number("--turns", o.history_turns, 0, 1000, "Earlier turns that a chat remembers (3)");
  number("-n,--predict", o.max_tokens, 1, kMaxInt, "Tokens of a completion, unless the request says (512)");
  number("--temp", o.temperature, 0, 2, "Temperature, unless the request says (else the model's own)");
  number("--top-k", o.top_k, 0, kMaxInt, "Top-k, unless the request says (else the model's own)");
  number("--top-p", o.top_p, 0, 1, "Top-p, unless the request says (else the model's own)");
  number("--min-p", o.min_p, 0, 1, "Min-p, unless the request says (else the model's own)");
  number("--repeat-penalty", o.repetition_penalty, 0.01, 10,
         "Repetition penalty, unless the request says (else the model's own)");
  number("--cache", o.cache_entries, 0, kMaxInt,
         "Answers kept for requests that come again (10000; 0: none)");
  number("--cache-mb", o.cache_mb, 0, 1 << 20, "Memory for them, in MB (64)");
  number("--cache-ttl", o.cache_ttl, 1, kMaxInt, "Seconds that they are good for (3600)");
}

void add_network(CLI::App& app, Options& o) {
  app.add_option("--host", o.host, "Address to listen on (127.0.0.1: this machine only)")
      ->type_name("ADDRESS")
      ->group("Network");
  app.add_option("--port", o.port, "Port (8080); 0 takes a free one and says which")
      ->check(between(0, 65535))
      ->type_name("N")
      ->group("Network");
  app.add_option("--api-key-file", o.api_key_file,
                 "File of API keys, one a line (beside those of $QWEN_API_KEY, which commas divide)")
      ->type_name("FILE")
      ->group("Network");
  app.add_option("--cors", o.cors, "Origin whose pages may use the server, or * (may be repeated)")
      ->allow_extra_args(false)
      ->type_name("ORIGIN")
      ->group("Network");
}

void add_limits(CLI::App& app, Options& o) {
  const auto number = [&](const char* name, int& value, double low, double high, const char* description) {
    app.add_option(name, value, description)->check(between(low, high))->type_name("N")->group("Limits");
  };
  number("--parallel", o.parallel, 1, 256, "Requests computed at the same time (8)");
  number("--queue", o.queue, 0, 10000, "Requests that may wait beyond these (64); more get 503");
  number("--rate", o.rate, 0, 1000000, "Requests a minute for each client (0: any number); more get 429");
  number("--timeout", o.timeout, 1, 86400, "Seconds for a request, waiting included (300)");
  number("--session-ttl", o.session_ttl, 1, 86400 * 30, "Seconds that an idle session is kept (180)");
  number("--sessions", o.sessions, 1, 1000000, "Sessions kept at most (1000): the idlest goes first");
  number("--connections", o.connections, 8, 900, "Connections at most (256)");
  number("--max-body", o.max_body, 1024, 1 << 30, "Bytes of a request's body (1048576)");
  number("--max-prompt", o.max_prompt, 0, kMaxInt, "Tokens of a prompt (0: what the context holds)");
  number("--drain", o.drain, 0, 86400, "Seconds for requests under way after SIGTERM (30)");
  number("--prefix-mb", o.prefix_mb, 0, 1 << 20, "KV kept for prompts that begin alike, in MB (64)");
}

}  // namespace

void add_options(CLI::App& app, Options& options) {
  app.description("qwen-serve: small Qwen models over HTTP, with a web page");
  app.set_help_flag("-h,--help", "This help");
  add_model(app, options);
  add_answers(app, options);
  add_network(app, options);
  add_limits(app, options);
}

}  // namespace qwen_serve
