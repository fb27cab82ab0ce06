#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "common/output.h"
#include "common/program.h"
#include "process.h"
#include "qwen/session.h"
#include "report.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

constexpr int kContext = 2048;

struct MemoryFlags {
  ModelChoice choice;
  std::string quantize = "none";
  std::vector<int> contexts, sequences = {1};  // no contexts: kContext, or less if the model has less

  int threads = 0;
  bool exact = false, check = false, json = false, markdown = false;
};

std::string megabytes(std::uint64_t bytes) {
  return fixed(static_cast<double>(bytes) * 1e-6, 1);
}

LoadOptions load_options(const MemoryFlags& flags) {
  LoadOptions options;
  options.threads = flags.threads;
  options.reference = flags.exact;
  if (flags.quantize == "int8") options.quantize = QuantizeOnLoad::int8;
  if (flags.quantize == "q4") options.quantize = QuantizeOnLoad::q4;
  if (flags.quantize == "q4_k") options.quantize = QuantizeOnLoad::q4_k;
  return options;
}

// Resident memory with the model loaded and every sequence's context full.
std::uint64_t measured(const std::string& path, const MemoryFlags& flags, int context, int sequences) {
  const Model model = Model::load(path, load_options(flags));
  SessionOptions options;
  options.context = context;
  std::vector<Session> sessions;
  std::vector<Token> tokens(static_cast<std::size_t>(context));
  for (std::size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<Token>(i * 7919 % static_cast<std::size_t>(model.shape().embedding_rows));
  for (int i = 0; i < sequences; ++i) sessions.emplace_back(model, options).forward(tokens);
  return process_memory().resident;
}

int memory(MemoryFlags& flags) {
  const std::string path = flags.choice.path();
  if (flags.contexts.empty())
    flags.contexts = {std::min(kContext, Model::inspect(path, load_options(flags)).shape.max_context)};
  std::vector<std::string> header = {"context", "sequences", "weights", "KV", "scratch", "other", "total"};
  if (flags.check) header.insert(header.end(), {"measured", "estimate / measured"});
  Table table(header);
  tools::Json json = tools::Json::array();
  for (const int context : flags.contexts)
    for (const int sequences : flags.sequences) {
      const MemoryEstimate e = Model::estimate(path, context, sequences, load_options(flags));
      tools::Json entry{{"context", context},     {"sequences", sequences}, {"weights", e.weights},
                        {"kv_cache", e.kv_cache}, {"scratch", e.scratch},   {"other", e.other},
                        {"total", e.total()}};
      std::vector<std::string> row = {
          std::to_string(context), std::to_string(sequences), megabytes(e.weights), megabytes(e.kv_cache),
          megabytes(e.scratch),    megabytes(e.other),        megabytes(e.total())};
      if (flags.check) {
        const std::uint64_t resident = measured(path, flags, context, sequences);
        entry["measured"] = resident;
        row.push_back(megabytes(resident));
        row.push_back(fixed(static_cast<double>(e.total()) / static_cast<double>(resident), 3));
      }
      table.add(std::move(row));
      json.push_back(std::move(entry));
    }
  if (flags.json) {
    tools::write_json(json, true);
  } else {
    tools::write_out(flags.markdown ? table.markdown() : table.text());
    tools::write_out("\nMB of 1,000,000 bytes; the context full.\n");
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> memory_command(tools::CommandLine& app) {
  auto flags = std::make_shared<MemoryFlags>();
  flags->choice.add_options(app);
  app.add("-c,--ctx-size", flags->contexts, "tokens of context (2048, or less if the model has less)")
      .comma_list();
  app.add("-s,--sequences", flags->sequences, "sessions at once").comma_list().show_default();
  app.add("-t,--threads", flags->threads, "threads; each needs some memory");
  app.add("--quantize", flags->quantize, "quantize float weights while loading")
      .one_of({"none", "int8", "q4", "q4_k"});
  app.add_flag("--exact", flags->exact, "float weights and activations everywhere");
  app.add_flag("--check", flags->check,
               "load the model, fill the context and compare with the resident memory");
  app.add_flag("--json", flags->json, "a JSON array");
  app.add_flag("--markdown", flags->markdown, "a Markdown table");
  return [flags] { return memory(*flags); };
}

}  // namespace qwen::bench
