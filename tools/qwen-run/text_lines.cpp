#include "qwen-run/text_lines.h"

#include <nlohmann/json.hpp>

#include "common/output.h"

namespace qwen_run {

void TextLineFlags::add(tools::CommandLine& app, const char* description) {
  input.add(app, description);
  app.add_flag("--jsonl", jsonl, "Lines are {\"text\":...} objects").group("Input");
  app.add_flag("--truncate", truncate, "Cut texts that do not fit into the context, instead of failing")
      .group("Input");
  tools::add_model_options(app, model);
  app.add("-c,--ctx-size", context, "Tokens of context (default: 2048, at most the model's limit)")
      .range(1, tools::kMaxInt)
      .type("N")
      .group("Model");
}

std::shared_ptr<qwen::Engine> TextLineFlags::engine() const {
  qwen::EngineOptions options;
  options.background = false;
  options.context = context;
  options.max_sequences = 30;
  options.prefill_tokens = options.prefill_tokens_while_decoding = 512;
  return std::make_shared<qwen::Engine>(tools::load_model(model), options);
}

std::string TextLineFlags::text_of(const std::string& line, long number) const {
  if (!jsonl) return line;
  const tools::Json json = tools::Json::parse(line, nullptr, false);
  if (json.is_object() && json.contains("text") && json["text"].is_string())
    return json["text"].get<std::string>();
  throw qwen::Error(qwen::ErrorCode::bad_format,
                    "line " + std::to_string(number) + ": expected an object with \"text\", a string");
}

}  // namespace qwen_run
