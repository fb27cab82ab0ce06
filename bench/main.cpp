// qwen-bench: what a model needs and gives on this machine.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "qwen/error.h"
#include "report.h"
#include "run.h"

namespace qwen::bench {
namespace {

struct RunFlags {
  RunOptions options;
  std::string synthetic, kv = "auto", quantize = "none", format = "table";
  bool json = false, csv = false, markdown = false;
};

void add_run(CLI::App& app, RunFlags& flags) {
  RunOptions& o = flags.options;
  app.add_option("-m,--model", o.model, "GGUF file or Hugging Face directory");
  app.add_option("--synthetic", flags.synthetic,
                 "made-up weights instead: SHAPE:TYPE, for example qwen2.5-0.5b:q4_0");
  app.add_option("--keep", o.keep,
                 "write the synthetic model to this file, so that other programs can load it");
  app.add_option("-p,--n-prompt", o.prompts, "tokens of prefill")->delimiter(',')->capture_default_str();
  app.add_option("-n,--n-gen", o.generate, "tokens of decode")->delimiter(',')->capture_default_str();
  app.add_option("-d,--n-depth", o.depths, "tokens in the context before")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("-t,--threads", o.threads, "threads; as many as there are cores if not given")
      ->delimiter(',');
  app.add_option("-s,--sequences", o.sequences, "sequences decoded at once")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("-b,--batch-size", o.batch, "prompt tokens computed at once")->capture_default_str();
  app.add_option("-r,--repetitions", o.repeats, "repeats of each test")->capture_default_str();
  app.add_option("--kv", flags.kv, "type of the KV cache")->check(CLI::IsMember({"auto", "f16", "f32"}));
  app.add_option("--quantize", flags.quantize, "quantise float weights while loading")
      ->check(CLI::IsMember({"none", "int8", "q4", "q4_k"}));
  app.add_flag("--exact", o.exact, "float weights and activations everywhere");
  app.add_flag("--pin", o.pin, "bind each thread to a core");
  app.add_flag("--quick", o.quick, "a first impression: shorter tests, fewer repeats");
  app.add_option("-o,--output", flags.format, "form of the results")
      ->check(CLI::IsMember({"table", "json", "csv", "md"}));
  app.add_flag("--json", flags.json, "the same as -o json");
  app.add_flag("--csv", flags.csv, "the same as -o csv");
  app.add_flag("--markdown", flags.markdown, "the same as -o md");
}

void settle(const CLI::App& app, RunFlags& flags) {
  RunOptions& o = flags.options;
  if (o.model.empty() == flags.synthetic.empty())
    throw Error(ErrorCode::invalid_argument,
                "expected a model: either -m FILE or --synthetic SHAPE:TYPE, for example --synthetic "
                "qwen2.5-0.5b:q4_0");
  if (!flags.synthetic.empty()) o.synthetic = parse_synthetic(flags.synthetic);
  if (!o.keep.empty() && !o.synthetic)
    throw Error(ErrorCode::invalid_argument, "--keep goes with --synthetic");
  if (o.quick) {
    if (app.count("-p") == 0) o.prompts = {128};
    if (app.count("-n") == 0) o.generate = {32};
    if (app.count("-r") == 0) o.repeats = 3;
  }
  if (flags.kv != "auto") o.kv = flags.kv == "f16" ? KvType::f16 : KvType::f32;
  if (flags.quantize == "int8") o.quantize = QuantizeOnLoad::int8;
  if (flags.quantize == "q4") o.quantize = QuantizeOnLoad::q4;
  if (flags.quantize == "q4_k") o.quantize = QuantizeOnLoad::q4_k;
  if (flags.json) flags.format = "json";
  if (flags.csv) flags.format = "csv";
  if (flags.markdown) flags.format = "md";
}

Format format_of(const std::string& name) {
  if (name == "json") return Format::json;
  if (name == "csv") return Format::csv;
  return name == "md" ? Format::markdown : Format::table;
}

void show_step(const std::string& what, double fraction) {
  if (what.empty()) {
    std::fprintf(stderr, "\r\033[K");
    return;
  }
  const int filled = static_cast<int>(fraction * 20);
  std::fprintf(stderr, "\r\033[K[%s%s] %s", std::string(static_cast<std::size_t>(filled), '#').c_str(),
               std::string(static_cast<std::size_t>(20 - filled), '.').c_str(), what.c_str());
  std::fflush(stderr);
}

int main_checked(int argc, char** argv) {
  CLI::App app("Speed, memory and cost of a Qwen model on this machine.");
  app.require_subcommand(1);
  RunFlags flags;
  CLI::App* run_command = app.add_subcommand("run", "prefill, decode, load time and memory");
  add_run(*run_command, flags);
  CLI11_PARSE(app, argc, argv);
  settle(*run_command, flags);
  const bool progress = ::isatty(STDERR_FILENO) != 0;
  const RunResult result = run(flags.options, [&](const std::string& what, double fraction) {
    if (progress) show_step(what, fraction);
  });
  std::cout << render(result, format_of(flags.format));
  return 0;
}

}  // namespace
}  // namespace qwen::bench

int main(int argc, char** argv) {
  try {
    return qwen::bench::main_checked(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%sqwen-bench: %s\n", ::isatty(STDERR_FILENO) ? "\r\033[K" : "", error.what());
    return 1;
  }
}
