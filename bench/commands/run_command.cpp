#include <fstream>
#include <memory>

#include "commands.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "compare.h"
#include "plot.h"
#include "report.h"
#include "run.h"

namespace qwen::bench {
namespace {

struct RunFlags {
  RunOptions options;
  ModelChoice choice;
  std::string kv = "auto", quantize = "none", format = "table", plot;
  std::vector<std::string> compare;
  bool json = false, csv = false, markdown = false, quick = false, no_progress = false;
  tools::Option prompts, generate, repeats;
};

void add_options(tools::CommandLine& app, RunFlags& flags) {
  RunOptions& o = flags.options;
  flags.choice.add_options(app);
  app.add("--keep", o.keep, "write the synthetic model to this file");
  flags.prompts =
      app.add("-p,--n-prompt", o.prompts, "tokens of prefill; 0: none").comma_list().show_default();
  flags.generate = app.add("-n,--n-gen", o.generate, "tokens of decode; 0: none").comma_list().show_default();
  app.add("-d,--n-depth", o.depths, "tokens in the context before").comma_list().show_default();
  app.add("-t,--threads", o.threads, "threads (default: one per core)").comma_list();
  app.add("-s,--sequences", o.sequences, "sequences decoded at once").comma_list().show_default();
  app.add("--top", o.tops, "number of largest logits to compute; 0: all, like llama-bench")
      .comma_list()
      .show_default();
  app.add("-b,--batch-size", o.batches, "prompt tokens computed at once").comma_list().show_default();
  flags.repeats = app.add("-r,--repetitions", o.repeats, "repeats of each test").show_default();
  app.add("--kv,--kv-type", flags.kv, "type of the KV cache").one_of({"auto", "f16", "f32"});
  app.add("--quantize", flags.quantize, "quantize float weights while loading")
      .one_of({"none", "int8", "q4", "q4_k"});
  app.add_flag("--exact", o.exact, "float weights and activations everywhere");
  app.add_flag("--pin-threads", o.pin, "bind each thread to a core");
  app.add_flag("--quick", flags.quick, "shorter tests, three repeats");
  app.add("-o,--output", flags.format, "form of the results").one_of({"table", "json", "csv", "md"});
  app.add_flag("--json", flags.json, "the same as -o json");
  app.add_flag("--csv", flags.csv, "the same as -o csv");
  app.add_flag("--markdown", flags.markdown, "the same as -o md");
  app.add("--plot", flags.plot, "draw the results into this SVG file");
  app.add("--compare", flags.compare, "instead of measuring: two files that --json wrote, side by side")
      .count(2)
      .type("A.json B.json");
  app.add_flag("--no-progress", flags.no_progress, "no progress bar");
}

void settle(RunFlags& flags) {
  RunOptions& o = flags.options;
  flags.choice.require();
  o.model = flags.choice.model;
  if (!flags.choice.synthetic.empty()) o.synthetic = parse_synthetic(flags.choice.synthetic);
  if (!o.keep.empty() && !o.synthetic) throw tools::UsageError("--keep requires --synthetic");
  if (flags.quick) {
    if (!flags.prompts.given()) o.prompts = {128};
    if (!flags.generate.given()) o.generate = {32};
    if (!flags.repeats.given()) o.repeats = 3;
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

int compare_files(const RunFlags& flags) {
  const Comparison comparison = compare_runs(read_run(flags.compare[0]), read_run(flags.compare[1]));
  tools::write_out(flags.markdown || flags.format == "md" ? comparison.table.markdown()
                                                          : comparison.table.text());
  tools::write_out("\n" + comparison.verdict + "\n");
  return tools::kExitOk;
}

int measure_run(RunFlags& flags) {
  settle(flags);
  // Before minutes of measuring, not after.
  std::unique_ptr<tools::OutputFile> plot;
  if (!flags.plot.empty()) plot = std::make_unique<tools::OutputFile>(flags.plot);
  tools::ProgressBar bar("measuring", !flags.no_progress);
  const RunResult result =
      run_benchmark(flags.options, [&](const std::string&, double fraction) { bar.update(fraction); });
  bar.finish();
  tools::write_out(render(result, format_of(flags.format)));
  for (const ThreadResult& one : result.runs)
    if (!one.noise.empty() && flags.format != "table" && flags.format != "md")
      tools::warn("noisy: " + one.noise);
  if (plot) {
    plot->write(plot_svg(result));
    plot->commit();
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> run_command(tools::CommandLine& app) {
  auto flags = std::make_shared<RunFlags>();
  add_options(app, *flags);
  return [flags] { return flags->compare.empty() ? measure_run(*flags) : compare_files(*flags); };
}

}  // namespace qwen::bench
