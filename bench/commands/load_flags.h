// Options of the commands that load a model with requests.
#pragma once
#include <CLI/CLI.hpp>
#include <vector>

#include "model_choice.h"

namespace qwen::bench {

struct LoadFlags {
  ModelChoice choice;
  std::vector<int> at_once = {1, 2, 4, 8};
  int threads = 0;
  bool json = false, markdown = false, no_progress = false;

  void add_options(CLI::App& app) {
    choice.add_options(app);
    app.add_option("--at-once", at_once, "requests at the same time")
        ->delimiter(',')
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("-t,--threads", threads, "threads of the model; not given: one for each core");
    app.add_flag("--json", json, "one JSON object");
    app.add_flag("--markdown", markdown, "Markdown instead of plain tables");
    app.add_flag("--no-progress", no_progress, "no progress bar");
  }
};

}  // namespace qwen::bench
