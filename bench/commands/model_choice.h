// Which model a command measures: a file, or made-up weights.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "synthetic.h"

namespace qwen::bench {

struct ModelChoice {
  std::string model, synthetic;

  void add_options(CLI::App& app);
  // After parsing: where the command line has --synthetic, or `other` says that it needs no model, the one of
  // config.yaml or the environment stands back. UsageError where two models are left.
  void settle(bool other = false);
  // The same, and UsageError where no model is left.
  void require();
  bool none() const { return model.empty() && synthetic.empty(); }

 private:
  const CLI::Option* option_ = nullptr;
};

}  // namespace qwen::bench
