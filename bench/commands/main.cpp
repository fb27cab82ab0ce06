// qwen-bench: what a model needs and gives on this machine.
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "commands.h"
#include "common/config.h"
#include "common/output.h"
#include "common/program.h"

namespace {

int main_checked(int argc, char** argv) {
  CLI::App app("Speed, memory and cost of a Qwen model on this machine.");
  app.require_subcommand(1);
  app.set_version_flag("--version", "qwen-bench " + tools::version_text());
  int code = tools::kExitOk;
  const auto add = [&](const char* name, const char* what, auto command) {
    CLI::App* sub = app.add_subcommand(name, what);
    sub->callback([&code, run = command(*sub)] { code = run(); });
    tools::add_config_option(*sub);
  };
  add("run", "prefill, decode, load time and memory of a model", qwen::bench::run_command);
  add("memory", "what a model will need, before loading it", qwen::bench::memory_command);
  add("tasks", "sentiment and chat as a service would do them", qwen::bench::tasks_command);
  add("engine", "many replies at once, and short questions beside them", qwen::bench::engine_command);
  add("cost", "energy and money: per token, per request, per year", qwen::bench::cost_command);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  for (CLI::App* sub :
       app.get_subcommands([&](CLI::App* each) { return argc > 1 && each->get_name() == argv[1]; }))
    tools::apply_config(*sub, {arguments.begin() + 1, arguments.end()});
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    throw tools::UsageError(std::string(error.what()) + " (--help lists the options)");
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  return tools::run_program("qwen-bench", [&] { return main_checked(argc, argv); });
}
