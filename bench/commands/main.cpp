// qwen-bench: speed, memory and cost of a model on this machine.
#include <algorithm>
#include <string>
#include <vector>

#include "commands.h"
#include "common/config.h"
#include "common/output.h"
#include "common/program.h"

namespace qwen::bench {

void ModelChoice::add_options(tools::CommandLine& app) {
  option_ = app.add("-m,--model", model, "GGUF file or Hugging Face directory (default: the bundled model)")
                .type("PATH");
  app.add("--synthetic", synthetic, "synthetic weights instead: SHAPE:TYPE, such as qwen2.5-0.5b:q4_0")
      .type("SHAPE:TYPE");
}

namespace {
constexpr const char* kExpectedModel =
    "expected one model: either -m FILE or --synthetic SHAPE:TYPE, for example --synthetic qwen2.5-0.5b:q4_0";
}

void ModelChoice::settle(bool other) {
  if ((other || !synthetic.empty()) && !option_.on_command_line()) model.clear();
  if (!model.empty() && !synthetic.empty()) throw tools::UsageError(kExpectedModel);
}

void ModelChoice::require() {
  settle();
  if (!none()) return;
  in_memory_ = ModelInMemory::bundled();
  model = in_memory_->path();
  tools::warn("no model named: measuring the bundled one; -m FILE or --synthetic SHAPE:TYPE names another");
}

std::string ModelChoice::path() {
  require();
  if (synthetic.empty()) return model;
  in_memory_ = std::make_shared<ModelInMemory>(parse_synthetic(synthetic));
  return in_memory_->path();
}

void LoadFlags::add_options(tools::CommandLine& app) {
  choice.add_options(app);
  app.add("--at-once", at_once, "requests at the same time").comma_list().range(1, 256).show_default();
  app.add("-t,--threads", threads, "threads of the model; default: one per core");
  app.add_flag("--json", json, "one JSON object");
  app.add_flag("--markdown", markdown, "Markdown instead of plain tables");
  app.add_flag("--no-progress", no_progress, "no progress bar");
}

namespace {

struct Command {
  const char* name;
  const char* summary;
  std::function<int()> (*setup)(tools::CommandLine&);
};

constexpr Command kCommands[] = {
    {"run", "prefill, decode, load time and memory of a model", run_command},
    {"memory", "what a model will need, before loading it", memory_command},
    {"tasks", "sentiment and chat as a service would run them", tasks_command},
    {"engine", "many replies at once, and short questions beside them", engine_command},
    {"constraints", "what answers of a given form cost: compiling, each token, tokens/s",
     constraints_command},
    {"embed", "texts/s of embeddings, one after another and many in a pass", embed_command},
    {"cost", "energy and money: per token, per request, per year", cost_command},
};

std::string overview() {
  std::string text =
      "qwen-bench: speed, memory and cost of a Qwen model on this machine\n\nusage: qwen-bench COMMAND "
      "[OPTIONS]\n\n";
  for (const Command& command : kCommands) {
    std::string name = command.name;
    name.resize(13, ' ');
    text += "  " + name + command.summary + "\n";
  }
  return text + "\nqwen-bench COMMAND --help lists a command's options; --version shows the version.\n";
}

int run(std::vector<std::string> arguments) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  const bool version = first == "--version";
  if (version || first == "-h" || first == "--help") {
    tools::write_out(version ? "qwen-bench " + tools::version_text() + "\n" : overview());
    return tools::kExitOk;
  }
  const auto command = std::find_if(std::begin(kCommands), std::end(kCommands),
                                    [&](const Command& c) { return c.name == first; });
  if (command == std::end(kCommands))
    throw tools::UsageError((first.empty() ? "expected a command" : "unknown command " + first) +
                            "; see qwen-bench --help");
  arguments.erase(arguments.begin());
  answer_llama_flags(arguments);
  tools::CommandLine line;
  const std::function<int()> body = command->setup(line);
  const std::string name = "qwen-bench " + first;
  return tools::run_command_line(
      line, {"qwen-bench", name, name + ": " + command->summary + "\nusage: " + name + " [OPTIONS]\n\n", ""},
      arguments, body);
}

}  // namespace
}  // namespace qwen::bench

int main(int argc, char** argv) {
  return tools::run_program("qwen-bench", [&] {
    return qwen::bench::run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  });
}
