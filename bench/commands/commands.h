// The subcommands of qwen-bench: each adds its options to `app` and returns what runs it.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

namespace qwen::bench {

std::function<int()> run_command(CLI::App& app);
std::function<int()> memory_command(CLI::App& app);
std::function<int()> tasks_command(CLI::App& app);
std::function<int()> engine_command(CLI::App& app);
std::function<int()> cost_command(CLI::App& app);

}  // namespace qwen::bench
