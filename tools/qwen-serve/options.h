// The command line of qwen-serve.
#pragma once
#include <string>
#include <vector>

#include "common/model_options.h"
#include "common/sampling.h"

namespace qwen_serve {

struct Options {
  tools::ModelOptions model;        // of each
  std::vector<std::string> models;  // paths, or NAME=PATH; empty: the bundled model
  int models_mb = 0;                // memory for the models; 0: no limit
  std::string alias;                // another id of the first model
  bool strict_model = false;        // refuse requests that name another model
  int context = 0;
  std::string kv_type = "auto";
  std::vector<std::string> task_folders;
  std::string prefix_folder;
  std::string task = "sentiment", chat_task = "chat";  // of /api/analyze and /chat, unless a request says
  int history_turns = 3;

  // What completions take unless a request says, and before the model's own.
  int max_tokens = 512;
  tools::SamplingChoice sampling;

  std::string host = "127.0.0.1";
  int port = 8080;
  std::string api_key_file;
  std::vector<std::string> cors, allowed_hosts;

  int parallel = 8, queue = 64;
  int rate = 0;       // work requests a client may make in a minute; 0: any number
  int timeout = 300;  // seconds for a request
  int session_ttl = 180, sessions = 1000, session_mb = 16;
  int connections = 256;
  int max_body = 1 << 20;  // bytes
  int max_prompt = 0;      // tokens; 0: what the context holds
  int drain = 30;          // seconds
  int prefix_mb = 64;
  int cache_entries = 10000, cache_mb = 64, cache_ttl = 3600;
  bool print_config = false;
  std::string access_log;  // a file, or - for stdout; "": none
};

void add_options(tools::CommandLine& app, Options& options);

}  // namespace qwen_serve
