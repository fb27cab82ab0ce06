#include "qwen-serve/options.h"

namespace qwen_serve {
namespace {

using tools::kMaxInt;

// Adds options of one group of the help.
class Group {
 public:
  Group(tools::CommandLine& app, const char* name) : app_(app), name_(name) {}

  template <class T>
  tools::Option option(const char* names, T& value, const char* type, const char* description) {
    return app_.add(names, value, description).type(type).group(name_);
  }
  template <class T>
  void number(const char* names, T& value, double low, double high, const char* description) {
    option(names, value, "N", description).range(low, high);
  }
  void flag(const char* names, bool& value, const char* description) {
    app_.add_flag(names, value, description).group(name_);
  }

 private:
  tools::CommandLine& app_;
  const char* name_;
};

void add_model(tools::CommandLine& app, Options& o) {
  Group model(app, "Model");
  o.model.path_option =
      model
          .option("-m,--model", o.models, "[NAME=]PATH",
                  "GGUF file or Hugging Face directory (else $LIBQWEN_MODEL, else the bundled model). May be "
                  "repeated: "
                  "requests name the model; the first one is loaded at the start, others when they are first "
                  "used")
          .environment("LIBQWEN_MODEL")
          .check([](const std::string& path) {
            return path.empty()
                       ? std::string("expected a path, found an empty text (without -m: the bundled model)")
                       : std::string();
          })
          .one_per_use();
  model.number("--models-mb", o.models_mb, 0, 1 << 24,
               "Memory for loaded models, in MB: weights and full KV caches (0: no limit); beyond it the "
               "least recently "
               "used models that are not in use are unloaded");
  model.number("-t,--threads", o.model.threads, 0, 1024,
               "Threads; 0 takes the physical cores that are free to use");
  model.flag("--pin-threads", o.model.pin_threads, "Bind each thread to one core");
  tools::add_weight_options(app, o.model);
  tools::add_chat_template(app, o.model);
  model.option("--alias", o.alias, "NAME", "Another id of the first model for clients");
  model.flag("--strict-model", o.strict_model,
             "Refuse requests that name an unknown model (else they use the first)");
  model.number("-c,--ctx-size", o.context, 1, kMaxInt,
               "Tokens of context for each request (2048, or less where the model has less)");
  model.option("--kv-type", o.kv_type, "TYPE", "Type of the KV cache: auto (default), f16 or f32")
      .one_of({"auto", "f16", "f32"});
  Group output(app, "Output");
  output.flag("-v,--verbose", o.model.verbose, "Details of the load on stderr");
  output.flag("--no-progress", o.model.no_progress, "No progress bar on a terminal");
  output.flag("--print-config", o.print_config,
              "Write a config.yaml with all options and their descriptions, and end");
  output.option("--access-log", o.access_log, "FILE",
                "A line of JSON for each request: a file, or - for stdout");
}

void add_answers(tools::CommandLine& app, Options& o) {
  Group answers(app, "Answers");
  answers
      .option("--tasks", o.task_folders, "DIR",
              "Folder of task files that add to the built-in ones (may be repeated)")
      .one_per_use();
  answers.option("--prefix-cache", o.prefix_folder, "DIR",
                 "Folder that keeps the tasks' computed prompts for the next start");
  answers.option("--task", o.task, "NAME", "The page's task for the label (sentiment)");
  answers.option("--chat-task", o.chat_task, "NAME", "The page's task for the reply (chat)");
  answers.number("--turns", o.history_turns, 0, 1000, "Earlier turns that a chat remembers (3)");
  answers.number("-n,--predict", o.max_tokens, 1, kMaxInt,
                 "Tokens of a completion, unless the request says (512)");
  answers.number("--temp", o.sampling.temperature, 0, 2,
                 "Temperature, unless the request says (else the model's own)");
  answers.number("--top-k", o.sampling.top_k, 0, kMaxInt,
                 "Top-k, unless the request says (else the model's own)");
  answers.number("--top-p", o.sampling.top_p, 0, 1, "Top-p, unless the request says (else the model's own)");
  answers.number("--min-p", o.sampling.min_p, 0, 1, "Min-p, unless the request says (else the model's own)");
  answers.number("--repeat-penalty", o.sampling.repetition_penalty, 0.01, 10,
                 "Repetition penalty, unless the request says (else the model's own)");
  answers.number("--cache", o.cache_entries, 0, kMaxInt,
                 "Answers kept for requests that come again (10000; 0: none)");
  answers.number("--cache-mb", o.cache_mb, 0, 1 << 20, "Memory for them, in MB (64)");
  answers.number("--cache-ttl", o.cache_ttl, 1, kMaxInt, "Seconds that they are good for (3600)");
}

void add_network(tools::CommandLine& app, Options& o) {
  Group network(app, "Network");
  network.option("--host", o.host, "ADDRESS", "Address to listen on (127.0.0.1: this machine only)");
  network.number("--port", o.port, 0, 65535, "Port (8080); 0 takes a free one and says which");
  network.option("--api-key-file", o.api_key_file, "FILE",
                 "File of API keys, one a line (beside those of $LIBQWEN_API_KEY, which commas divide)");
  network.option("--cors", o.cors, "ORIGIN", "Origin whose pages may use the server, or * (may be repeated)")
      .one_per_use();
  network
      .option(
          "--allowed-host", o.allowed_hosts, "NAME",
          "Host name that requests may address, beside localhost, --host and IP addresses (may be repeated)")
      .one_per_use();
}

void add_limits(tools::CommandLine& app, Options& o) {
  Group limits(app, "Limits");
  limits.number("--parallel", o.parallel, 1, 256, "Requests computed at the same time (8)");
  limits.number("--queue", o.queue, 0, 10000, "Requests that may wait beyond these (64); more get 503");
  limits.number("--rate", o.rate, 0, 1000000,
                "Requests a minute for each client (0: any number); more get 429");
  limits.number("--timeout", o.timeout, 1, 86400, "Seconds for a request, waiting included (300)");
  limits.number("--session-ttl", o.session_ttl, 1, 86400 * 30, "Seconds that an idle session is kept (180)");
  limits.number("--sessions", o.sessions, 1, 1000000,
                "Sessions at most (1000); the least recently used is dropped");
  limits.number("--session-mb", o.session_mb, 1, 1 << 20, "Memory for the text of all sessions, in MB (16)");
  limits.number("--connections", o.connections, 8, 900, "Connections at most (256)");
  limits.number("--max-body", o.max_body, 1024, 1 << 30, "Bytes of a request's body (1048576)");
  limits.number("--max-prompt", o.max_prompt, 0, kMaxInt, "Tokens of a prompt (0: what the context holds)");
  limits.number("--drain", o.drain, 0, 86400, "Seconds for requests under way after SIGTERM (30)");
  limits.number("--prefix-mb", o.prefix_mb, 0, 1 << 20, "KV kept for prompts that begin alike, in MB (64)");
}

}  // namespace

void add_options(tools::CommandLine& app, Options& options) {
  add_model(app, options);
  add_answers(app, options);
  add_network(app, options);
  add_limits(app, options);
}

}  // namespace qwen_serve
