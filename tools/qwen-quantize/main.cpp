// qwen-quantize IN OUT --type TYPE: a smaller model file from a larger one.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/command_line.h"
#include "common/config.h"
#include "common/encoding.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "qwen-quantize/measure.h"
#include "qwen/quantize.h"

namespace qwen_quantize {
namespace {

using tools::UsageError;

volatile std::sig_atomic_t interrupted = 0;

struct Arguments {
  std::string in, out;
  qwen::QuantizeOptions options;
  std::vector<std::string> tensors;  // PATTERN=TYPE
  std::string measure_file;
  int context = 512;
  int measure_tokens = 0;
  bool json = false;
  bool no_progress = false;
  bool verbose = false;
};

std::string help_footer() {
  std::string text = "\ntypes:\n";
  for (const qwen::QuantizeType& type : qwen::quantize_types()) {
    std::string name = type.name;
    name.resize(10, ' ');
    text += "  " + name + type.description + "\n";
  }
  return text +
         "\nThe names of llama-quantize, and the same choice of types for each tensor. Rows whose length "
         "is not a multiple of the block size\n"
         "(Qwen2.5-0.5B: 896 is not a multiple of 256) get the next type that fits; the report "
         "says so.\n"
         "\nexamples:\n"
         "  qwen-quantize Qwen2.5-0.5B-Instruct/ qwen2.5-0.5b-q4_0.gguf --type Q4_0\n"
         "  qwen-quantize model-bf16.gguf model-q4_k_m.gguf                      (Q4_K_M is the default)\n"
         "  qwen-quantize model-f16.gguf out.gguf --type Q4_0 --output-type Q6_K --tensor 'blk.0.*=Q8_0'\n"
         "  qwen-quantize model/ out.gguf --type Q5_K_M --measure wiki.txt       (perplexity and KL "
         "divergence)\n"
         "\nExit codes: 0 done, 1 failed, 2 wrong usage. The report goes to stdout, everything else to "
         "stderr.\n";
}

void add_options(tools::CommandLine& app, Arguments& arguments) {
  app.add("IN", arguments.in, "GGUF file or Hugging Face directory").type("").required();
  app.add("OUT", arguments.out, "GGUF file to write").type("").required();
  app.add("--type", arguments.options.type, "Storage type or preset, see below (Q4_K_M)").type("TYPE");
  app.add("--output-type", arguments.options.output_type, "Type of the output head").type("TYPE");
  app.add("--embedding-type", arguments.options.embedding_type, "Type of the token embedding").type("TYPE");
  app.add("--tensor", arguments.tensors,
          "Type of the matrices that match: '*' is any text, '?' one character; the first match wins (may be "
          "repeated)")
      .type("PATTERN=TYPE")
      .one_per_use();
  app.add_flag("--pure", arguments.options.pure, "The same type for every matrix");
  app.add("-t,--threads", arguments.options.threads, "Threads (default: physical cores)")
      .type("N")
      .range(1, 1024);
  app.add_flag("--force", arguments.options.overwrite, "Overwrite OUT if it exists");
  app.add("--measure", arguments.measure_file,
          "Text file to compare source and result on: perplexity, KL divergence")
      .type("FILE");
  app.add("--measure-tokens", arguments.measure_tokens, "Read at most this many tokens of it")
      .type("N")
      .range(2, 1 << 30);
  app.add("-c,--context", arguments.context, "Window of --measure in tokens (512)")
      .type("N")
      .range(2, 1 << 20);
  app.add_flag("--json", arguments.json, "The report as JSON");
  app.add_flag("-v,--verbose", arguments.verbose, "List every tensor");
  app.add_flag("--no-progress", arguments.no_progress, "No progress bar");
}

void parse_tensor_types(Arguments& arguments) {
  for (const std::string& text : arguments.tensors) {
    const std::size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      throw UsageError("--tensor \"" + text +
                       "\": expected PATTERN=TYPE, for example 'blk.*.ffn_down.weight=Q6_K'");
    arguments.options.tensor_types.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
}

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

double bits(std::uint64_t bytes, std::uint64_t weights) {
  return weights == 0 ? 0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
}

std::string megabytes(std::uint64_t bytes) {
  return format("%.1f", static_cast<double>(bytes) / 1e6);
}

std::string columns(std::initializer_list<std::string> cells) {
  std::string line;
  std::size_t end = 0;
  for (const std::string& cell : cells) {
    const std::size_t width = end == 0 ? 10 : 14;
    line += end == 0 ? cell + std::string(width - std::min(width, cell.size()), ' ')
                     : std::string(width - std::min(width, cell.size()), ' ') + cell;
    end += width;
  }
  return line + "\n";
}

void print_report(const Arguments& arguments, const qwen::QuantizeReport& report,
                  const std::optional<Measurement>& measured) {
  std::string text = arguments.out + ": " + report.type + ", " + megabytes(report.file_bytes) + " MB, " +
                     format("%.3f", report.bits_per_weight) + " bits per weight (source " +
                     format("%.3f", bits(report.source_bytes, report.parameters)) + "), " +
                     format("%.2f", report.seconds) + " s\n\n";
  text += columns({"type", "tensors", "weights", "MB", "bits/weight"});
  for (const qwen::TensorSummary& type : report.types)
    text += columns({type.type, std::to_string(type.count), std::to_string(type.weights),
                     megabytes(type.bytes), format("%.3f", bits(type.bytes, type.weights))});
  text += columns({"all", std::to_string(report.tensors.size()), std::to_string(report.parameters),
                   megabytes(report.tensor_bytes), format("%.3f", report.bits_per_weight)});
  if (arguments.verbose) {
    text += "\n";
    for (const qwen::QuantizedTensor& tensor : report.tensors)
      text += tensor.name + ": " + tensor.from + " -> " + tensor.to + "\n";
  }
  if (!report.notes.empty()) text += "\n";
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  if (measured) {
    text += "\nover " + std::to_string(measured->tokens) + " tokens of " + arguments.measure_file + ":\n";
    text += "perplexity     " + format("%.4f", measured->perplexity) + " (source " +
            format("%.4f", measured->source_perplexity) + ", ratio " +
            format("%.4f", measured->perplexity / measured->source_perplexity) + ")\n";
    text += "KL divergence  " + format("%.6f", measured->mean_kl) + " nats a token (99 % at most " +
            format("%.4f", measured->kl_99) + ", largest " + format("%.4f", measured->max_kl) + ")\n";
    text += "same top token " + format("%.2f", 100 * measured->same_top) + " %\n";
  }
  tools::write_out(text);
}

tools::Json to_json(const Arguments& arguments, const qwen::QuantizeReport& report,
                    const std::optional<Measurement>& measured) {
  tools::Json types = tools::Json::array(), tensors = tools::Json::array();
  for (const qwen::TensorSummary& type : report.types)
    types.push_back({{"type", type.type},
                     {"tensors", type.count},
                     {"weights", type.weights},
                     {"bytes", type.bytes},
                     {"bits_per_weight", bits(type.bytes, type.weights)}});
  for (const qwen::QuantizedTensor& tensor : report.tensors)
    tensors.push_back({{"name", tensor.name},
                       {"from", tensor.from},
                       {"to", tensor.to},
                       {"wanted", tensor.wanted},
                       {"weights", tensor.weights},
                       {"bytes", tensor.bytes}});
  tools::Json json = {{"file", arguments.out},
                      {"type", report.type},
                      {"parameters", report.parameters},
                      {"source_tensor_bytes", report.source_bytes},
                      {"tensor_bytes", report.tensor_bytes},
                      {"file_bytes", report.file_bytes},
                      {"bits_per_weight", report.bits_per_weight},
                      {"seconds", report.seconds},
                      {"types", types},
                      {"tensors", tensors},
                      {"notes", report.notes}};
  if (measured)
    json["measured"] = {{"tokens", measured->tokens},
                        {"perplexity", measured->perplexity},
                        {"source_perplexity", measured->source_perplexity},
                        {"kl_mean", measured->mean_kl},
                        {"kl_99", measured->kl_99},
                        {"kl_max", measured->max_kl},
                        {"same_top", measured->same_top}};
  return json;
}

qwen::QuantizeReport quantize(const Arguments& arguments) {
  tools::ProgressBar bar("quantizing", !arguments.no_progress);
  qwen::QuantizeOptions options = arguments.options;
  options.on_progress = [&](const qwen::QuantizeProgress& progress) {
    bar.update(progress.fraction);
    return interrupted == 0;
  };
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  std::signal(SIGXFSZ, SIG_IGN);  // a file too large is an error of write, with a message
  try {
    qwen::QuantizeReport report = qwen::quantize_file(arguments.in, arguments.out, options);
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    return report;
  } catch (const qwen::Error& error) {
    if (error.code() != qwen::ErrorCode::invalid_argument) throw;
    const bool exists = !options.overwrite && std::filesystem::is_regular_file(arguments.out);
    throw UsageError(error.what() + std::string(exists ? "; --force overwrites it" : ""));
  }
}

int quantize_and_report(Arguments& arguments) {
  parse_tensor_types(arguments);
  const std::string text = arguments.measure_file.empty()
                               ? ""
                               : tools::to_utf8(tools::read_file(arguments.measure_file),
                                                tools::Encoding::utf8, arguments.measure_file);
  const qwen::QuantizeReport report = quantize(arguments);
  std::optional<Measurement> measured;
  if (!arguments.measure_file.empty()) {
    tools::ProgressBar bar("measuring", !arguments.no_progress);
    measured = measure(arguments.in, arguments.out, text, arguments.context, arguments.measure_tokens,
                       arguments.options.threads, [&](double fraction) { bar.update(fraction); });
  }
  if (arguments.json)
    tools::write_json(to_json(arguments, report, measured));
  else
    print_report(arguments, report, measured);
  return tools::kExitOk;
}

int run(const std::vector<std::string>& command_line) {
  Arguments arguments;
  tools::CommandLine app;
  add_options(app, arguments);
  const std::string intro =
      "qwen-quantize: writes a model with smaller weights, as a GGUF file\nusage: qwen-quantize IN OUT "
      "[OPTIONS]\n\n";
  return tools::run_command_line(app, {"qwen-quantize", "qwen-quantize", intro, help_footer()}, command_line,
                                 [&] { return quantize_and_report(arguments); });
}

}  // namespace
}  // namespace qwen_quantize

int main(int argc, char** argv) {
  return tools::run_program("qwen-quantize", [&] {
    return qwen_quantize::run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  });
}
