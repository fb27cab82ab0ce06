#include "qwen-run/text_lines.h"

#include <cstdio>

namespace qwen_run {
namespace {

TableOptions with_empty_texts(TableOptions options) {
  options.empty_texts = true;
  return options;
}

}  // namespace

void TextLineFlags::add(tools::CommandLine& app, const char* description) {
  input.add(app, description);
  table.add_input(app, app.add_flag("--jsonl", jsonl, "Lines are {\"text\":...} objects").group("Input"));
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

TextRows::TextRows(const TextLineFlags& flags) {
  const std::string path = flags.input.path_for_lines();
  if (flags.jsonl)
    table_.emplace(path, flags.input.encoding(),
                   TableOptions{.format = "jsonl", .text_column = "text", .empty_texts = true});
  else if (flags.table.wanted(flags.input) && flags.table.read.format != "lines")
    table_.emplace(path, flags.input.encoding(), with_empty_texts(flags.table.read));
  else
    lines_.emplace(path, flags.input.encoding());
  if (table_ && !table_->found().empty()) std::fprintf(stderr, "%s\n", table_->found().c_str());
}

bool TextRows::next(std::string& text) {
  if (lines_) {
    if (!lines_->next(text)) return false;
    line_ = lines_->number();
    return true;
  }
  TableRow row;
  if (!table_->next(row)) return false;
  line_ = row.line;
  if (!row.error.empty())
    throw qwen::Error(qwen::ErrorCode::bad_format, "line " + std::to_string(row.line) + ": " + row.error);
  text = std::move(row.text);
  return true;
}

}  // namespace qwen_run
