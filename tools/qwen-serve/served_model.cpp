#include "qwen-serve/served_model.h"

#include <algorithm>
#include <cstdint>

#include "qwen-serve/api_error.h"

namespace qwen_serve {
namespace {

qwen::EngineOptions engine_options(const Options& options) {
  qwen::EngineOptions engine;
  engine.context = options.context;
  engine.kv_type = options.kv_type == "f16"   ? qwen::KvType::f16
                   : options.kv_type == "f32" ? qwen::KvType::f32
                                              : qwen::KvType::automatic;
  engine.max_sequences = options.parallel;
  // Admission bounds the requests, so the engine never refuses one that was admitted: each has at most `parallel` + 2
  // texts of a batch in the engine at a time, or a label and a reply.
  constexpr int kMost = 1 << 20;  // the engine's own limit
  const std::int64_t most = std::int64_t{options.parallel + 2} * (options.parallel + options.queue);
  engine.max_queued = static_cast<int>(std::min<std::int64_t>(most, kMost));
  engine.prefix_folder = options.prefix_folder;
  engine.prefix_bytes = static_cast<std::size_t>(options.prefix_mb) << 20;
  return engine;
}

}  // namespace

bool shows_tools(const qwen::ChatTemplate& chat_template) {
  const qwen::Message question{"user", "Hello"};
  qwen::ChatTemplate::RenderOptions with;
  with.tools =
      R"([{"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}}])";
  return chat_template.render_text({&question, 1}, with) != chat_template.render_text({&question, 1}, {});
}

std::string model_id(const std::string& name) {
  std::string id = name;
  for (char& c : id)
    if (static_cast<unsigned char>(c) <= 0x20 || c == '/' || c == '?' || c == '#' || c == '%') c = '-';
  return id.empty() ? "qwen" : id;
}

ServedModel::ServedModel(std::string model_id, qwen::Model loaded, const Options& given,
                         const qwen::TaskRegistry& tasks, ClassifierRegistry::Results labels)
    : id(std::move(model_id)),
      options(given),
      model(std::move(loaded)),
      engine(std::make_shared<qwen::Engine>(model, engine_options(options))),
      classifiers(engine, tasks, std::move(labels)),
      tools_shown(shows_tools(model.chat_template())) {}

int max_prompt(const Options& options, int context) {
  return options.max_prompt > 0 ? std::min(options.max_prompt, context) : context;
}

double ServedModel::kv_limit() const {
  const qwen::EngineOptions& chosen = engine->options();
  const qwen::ModelShape& shape = model.info().shape;
  const double value_bytes = chosen.kv_type == qwen::KvType::f16 ? 2 : 4;
  return 2.0 * shape.layers * shape.kv_heads * shape.head_dim * value_bytes * chosen.context *
         chosen.max_sequences;
}

qwen::SamplingOptions ServedModel::default_sampling() const {
  qwen::SamplingOptions sampling = model.info().sampling;
  options.sampling.apply(sampling);
  return sampling;
}

void ServedModel::check_prompt(std::size_t tokens, const char* field) const {
  // One token of the context is for the reply.
  const auto most = static_cast<std::size_t>(std::min(max_prompt(), context() - 1));
  if (tokens <= most) return;
  throw ApiError(
      400, "context_length_exceeded",
      "the prompt has " + std::to_string(tokens) + " tokens; expected at most " + std::to_string(most),
      field);
}

void ServedModel::check_tokens(std::span<const qwen::Token> tokens, const char* field) const {
  const int size = model.tokenizer().size();
  for (const qwen::Token token : tokens)
    if (token < 0 || token >= size)
      throw ApiError(400, "invalid_value",
                     std::string(field) + ": expected token ids below " + std::to_string(size) + ", found " +
                         std::to_string(token),
                     field);
}

}  // namespace qwen_serve
