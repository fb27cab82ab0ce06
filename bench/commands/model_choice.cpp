#include "model_choice.h"

#include <cstdlib>

#include "common/program.h"

namespace qwen::bench {
namespace {

constexpr const char* kExpected =
    "expected one model: either -m FILE or --synthetic SHAPE:TYPE, for example --synthetic qwen2.5-0.5b:q4_0";

// CLI11 counts what it took from a variable as given.
bool on_command_line(const CLI::Option& option, const std::string& value) {
  const char* variable = std::getenv(option.get_envname().c_str());
  return option.count() > 0 && !(variable != nullptr && value == variable);
}

}  // namespace

void ModelChoice::add_options(CLI::App& app) {
  option_ = app.add_option("-m,--model", model, "GGUF file or Hugging Face directory");
  app.add_option("--synthetic", synthetic, "made-up weights instead: SHAPE:TYPE, such as qwen2.5-0.5b:q4_0");
}

void ModelChoice::settle(bool other) {
  if ((other || !synthetic.empty()) && !on_command_line(*option_, model)) model.clear();
  if (!model.empty() && !synthetic.empty()) throw tools::UsageError(kExpected);
}

void ModelChoice::require() {
  settle();
  if (none()) throw tools::UsageError(kExpected);
}

}  // namespace qwen::bench
