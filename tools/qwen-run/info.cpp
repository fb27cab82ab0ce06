// info: what a model file holds and the memory that it will need.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/model_options.h"
#include "common/output.h"
#include "common/program.h"
#include "qwen-run/commands.h"
#include "qwen-run/options.h"

namespace qwen_run {
namespace {

using tools::Json;

struct InfoFlags {
  tools::ModelOptions model;
  int context = 0;
  int sequences = 1;
  bool json = false;
};

std::string megabytes(std::uint64_t bytes) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

Json shape_json(const qwen::ModelShape& s) {
  Json json = {{"layers", s.layers},        {"hidden", s.hidden},           {"heads", s.heads},
               {"kv_heads", s.kv_heads},    {"head_dim", s.head_dim},       {"ffn", s.ffn},
               {"vocab", s.embedding_rows}, {"max_context", s.max_context}, {"rope_theta", s.rope_theta},
               {"rms_eps", s.rms_eps},      {"tied_head", s.tied_head},     {"qkv_bias", s.qkv_bias},
               {"qk_norm", s.qk_norm}};
  if (s.rope_scaling != qwen::RopeScaling::none)
    json["rope_scaling"] = {{"type", s.rope_scaling == qwen::RopeScaling::yarn ? "yarn" : "linear"},
                            {"factor", s.rope_factor},
                            {"original_context", s.rope_original_context}};
  return json;
}

Json info_json(const qwen::ModelInfo& info, const std::optional<qwen::MemoryEstimate>& memory, int context) {
  Json json = {{"architecture", info.architecture},
               {"name", info.name},
               {"source", info.source},
               {"file_type", info.file_type},
               {"shape", shape_json(info.shape)}};
  json["tensors"] = Json::array();
  for (const auto& t : info.tensors)
    json["tensors"].push_back(
        {{"type", t.type}, {"count", t.count}, {"weights", t.weights}, {"bytes", t.bytes}});
  json["parameters"] = info.parameters;
  json["tensor_bytes"] = info.tensor_bytes;
  json["bits_per_weight"] = info.bits_per_weight;
  json["tokenizer"] = {{"type", info.tokenizer}, {"vocabulary", info.vocab_size}};
  json["chat_template"] = info.chat_template;
  if (!info.warnings.empty()) json["warnings"] = info.warnings;
  if (!info.chat_template_error.empty()) json["chat_template_error"] = info.chat_template_error;
  const auto& s = info.sampling;
  json["sampling"] = {{"temperature", s.temperature},
                      {"top_k", s.top_k},
                      {"top_p", s.top_p},
                      {"min_p", s.min_p},
                      {"repetition_penalty", s.repetition_penalty}};
  if (memory) {
    json["memory"] = {{"context", context},           {"weights", memory->weights},
                      {"kv_cache", memory->kv_cache}, {"scratch", memory->scratch},
                      {"other", memory->other},       {"total", memory->total()}};
  }
  return json;
}

class Table {
 public:
  void row(const char* name, const std::string& value) {
    char label[24];
    std::snprintf(label, sizeof label, "%-14s ", name);
    text_ += label + tools::printable(value) + "\n";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string info_text(const qwen::ModelInfo& info, const std::optional<qwen::MemoryEstimate>& memory,
                      int context, int sequences) {
  const qwen::ModelShape& s = info.shape;
  const auto str = [](auto value) { return std::to_string(value); };
  char buffer[160];
  Table table;
  table.row("model", info.name + " (" + info.architecture + ")");
  table.row("source", info.source);
  if (s.layers > 0) {
    table.row("layers", str(s.layers) + ", width " + str(s.hidden) + ", feed-forward " + str(s.ffn));
    table.row("heads", str(s.heads) + " query, " + str(s.kv_heads) + " key/value, of " + str(s.head_dim));
    std::snprintf(buffer, sizeof buffer, "%d trained, rope base %g, rms epsilon %g", s.max_context,
                  static_cast<double>(s.rope_theta), static_cast<double>(s.rms_eps));
    table.row("context", buffer);
    if (s.rope_scaling != qwen::RopeScaling::none) {
      std::snprintf(buffer, sizeof buffer, "%s, factor %g, from %d tokens",
                    s.rope_scaling == qwen::RopeScaling::yarn ? "YaRN" : "linear",
                    static_cast<double>(s.rope_factor), s.rope_original_context);
      table.row("rope scaling", buffer);
    }
  }
  table.row("vocabulary", str(info.vocab_size) + " tokens (" + info.tokenizer + ")");
  table.row("chat template",
            info.chat_template.empty() ? "none: " + info.chat_template_error : info.chat_template);
  std::snprintf(buffer, sizeof buffer, "temperature %g, top-k %d, top-p %g, repetition penalty %g",
                static_cast<double>(info.sampling.temperature), info.sampling.top_k,
                static_cast<double>(info.sampling.top_p),
                static_cast<double>(info.sampling.repetition_penalty));
  table.row("sampling", buffer);
  if (info.tensors.empty()) {
    table.row("weights", "none: a vocabulary only");
    return table.text();
  }
  std::snprintf(buffer, sizeof buffer, "%.1f million weights, %s, %.2f bits per weight%s%s",
                static_cast<double>(info.parameters) / 1e6, megabytes(info.tensor_bytes).c_str(),
                info.bits_per_weight, info.file_type.empty() ? "" : ", file type ", info.file_type.c_str());
  table.row("weights", buffer);
  for (const auto& t : info.tensors) {
    std::snprintf(buffer, sizeof buffer, "%4d x %-7s %10.1f million weights %14s", t.count, t.type.c_str(),
                  static_cast<double>(t.weights) / 1e6, megabytes(t.bytes).c_str());
    table.row("", buffer);
  }
  if (memory) {
    table.row("memory", megabytes(memory->total()) + " = weights " + megabytes(memory->weights) +
                            " + cache " + megabytes(memory->kv_cache) + " + activations " +
                            megabytes(memory->scratch) + " + other " + megabytes(memory->other));
    table.row("", "(an estimate, for " + str(sequences) + " x " + str(context) + " tokens of context)");
  }
  return table.text();
}

int info(const InfoFlags& flags) {
  const bool builtin = flags.model.path.empty();
  const bool asked =
      flags.context > 0 || flags.sequences != 1 || flags.model.exact || flags.model.quantize != "none";
  if (builtin && asked)
    throw tools::UsageError(
        "-c, --sequences, --exact and --quantize ask for the memory of a file: name it with -m");
  const qwen::ModelInfo info =
      builtin ? qwen::Model::builtin().info() : tools::with_model_origin(flags.model, [&] {
        return qwen::Model::inspect(flags.model.path, tools::load_options(flags.model));
      });
  for (const std::string& warning : info.warnings) tools::warn(warning);
  const int context = flags.context > 0 ? flags.context : std::min(2048, std::max(info.shape.max_context, 1));
  std::optional<qwen::MemoryEstimate> memory;
  if (!builtin && (asked || !info.tensors.empty()))
    memory =
        qwen::Model::estimate(flags.model.path, context, flags.sequences, tools::load_options(flags.model));
  if (flags.json) {
    tools::write_json(info_json(info, memory, context), true);
  } else {
    tools::write_out(info_text(info, memory, context, flags.sequences));
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> info_command(tools::CommandLine& app) {
  auto flags = std::make_shared<InfoFlags>();
  tools::add_model_path(app, flags->model);
  tools::add_weight_options(app, flags->model);
  tools::add_rope_options(app, flags->model);
  app.add("-c,--ctx-size", flags->context, "Tokens of context that the memory is estimated for (2048)")
      .range(1, tools::kMaxInt)
      .type("N")
      .group("Model");
  app.add("--sequences", flags->sequences, "Sessions that the memory is estimated for (1)")
      .range(1, 4096)
      .type("N")
      .group("Model");
  app.add_flag("--json", flags->json, "One JSON object").group("Output");
  return [flags] { return info(*flags); };
}

}  // namespace qwen_run
