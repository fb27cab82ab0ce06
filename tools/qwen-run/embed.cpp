// embed: vectors of texts as JSON lines, or as a NumPy file.
#include <nlohmann/json.hpp>
#include <optional>

#include "common/output.h"
#include "common/program.h"
#include "qwen-run/commands.h"
#include "qwen-run/npy.h"
#include "qwen-run/text_lines.h"

namespace qwen_run {
namespace {

struct EmbedFlags : TextLineFlags {
  qwen::EmbedOptions embed;
  bool no_normalize = false;
  std::string output;
};

class EmbeddingWriter {
 public:
  EmbeddingWriter(const EmbedFlags& flags, qwen::Embedder& embedder) : flags_(flags), embedder_(embedder) {}

  void embed(const std::string& text) { write(embedder_.embed(text, flags_.embed)); }
  // `lines`: where each text begins, for errors.
  void embed(const std::vector<std::string>& texts, const std::vector<long>& lines) {
    std::size_t done = 0;
    try {
      embedder_.embed_batch(texts, flags_.embed, [&](std::size_t, const qwen::Embedding& found) {
        write(found);
        ++done;
        return true;
      });
    } catch (const qwen::Error&) {  // of any text that is not done: one by one its line is known
      for (; done < texts.size(); ++done) embed_line(texts[done], lines[done]);
    }
    tools::flush_out();
  }

  void finish() {
    if (!flags_.output.empty()) {
      tools::OutputFile file(flags_.output);
      const auto cols = static_cast<std::size_t>(flags_.embed.dimensions ? flags_.embed.dimensions
                                                                         : embedder_.dimensions());
      file.write(npy_header(values_.size() / cols, cols));
      file.write(values_.data(), values_.size() * sizeof(float));
      file.commit();
    }
    if (truncated_ > 0)
      tools::warn(std::to_string(truncated_) + " texts were truncated to the context of " +
                  std::to_string(embedder_.engine()->options().context) + " tokens");
  }

 private:
  void embed_line(const std::string& text, long line) {
    try {
      embed(text);
    } catch (const qwen::Error& error) {
      throw qwen::Error(error.code(), "line " + std::to_string(line) + ": " + error.what());
    }
  }
  void write(const qwen::Embedding& found) {
    truncated_ += found.truncated_tokens > 0;
    const int index = written_++;
    if (!flags_.output.empty()) {
      values_.insert(values_.end(), found.values.begin(), found.values.end());
      return;
    }
    tools::Json json = {{"index", index}, {"tokens", found.prompt_tokens}};
    if (found.truncated_tokens > 0) json["truncated_tokens"] = found.truncated_tokens;
    json["embedding"] = tools::json_numbers(found.values);
    tools::write_json(json);
  }

  const EmbedFlags& flags_;
  qwen::Embedder& embedder_;
  std::vector<float> values_;  // of the .npy file
  int written_ = 0, truncated_ = 0;
};

int embed(EmbedFlags& flags) {
  constexpr std::size_t kTogether = 128;
  flags.embed.normalize = !flags.no_normalize;
  if (flags.truncate) flags.embed.overflow = qwen::TextOverflow::truncate;
  const bool one = flags.input.given_text();
  if (one && flags.jsonl) throw tools::UsageError("--jsonl reads lines from stdin or from -f FILE");
  std::optional<TextRows> rows;
  const std::string text = one ? flags.input.read(true) : "";
  if (!one) rows.emplace(flags);
  qwen::Embedder embedder(flags.engine());
  if (flags.embed.dimensions > embedder.dimensions())
    throw tools::UsageError("--dimensions: the model's vectors have " +
                            std::to_string(embedder.dimensions()) + " values");
  EmbeddingWriter writer(flags, embedder);
  std::vector<std::string> texts;
  std::vector<long> lines;
  if (one) {
    writer.embed(text);
  } else {
    const auto flush = [&] {
      writer.embed(texts, lines);
      texts.clear();
      lines.clear();
    };
    for (std::string next; rows->next(next);) {
      texts.push_back(std::move(next));
      lines.push_back(rows->line());
      if (texts.size() == kTogether || rows->would_wait()) flush();
    }
    flush();
  }
  writer.finish();
  return tools::kExitOk;
}

}  // namespace

std::function<int()> embed_command(tools::CommandLine& app) {
  auto flags = std::make_shared<EmbedFlags>();
  flags->add(app, "The text; a file and stdin have a text a line, or are a table");
  app.add("--instruction", flags->embed.instruction,
          "What queries are for: texts become \"Instruct: ...\\nQuery:TEXT\" (not for documents)")
      .type("TEXT")
      .group("Embedding");
  app.add("--dimensions", flags->embed.dimensions, "Keep the first N values only (default: all)")
      .range(1, tools::kMaxInt)
      .type("N")
      .group("Embedding");
  app.add_flag("--no-normalize", flags->no_normalize, "Do not divide by the L2 norm").group("Embedding");
  app.add("-o,--output", flags->output, "Write the vectors [texts, dimensions] as float32 .npy")
      .type("FILE")
      .group("Output");
  return [flags] { return embed(*flags); };
}

}  // namespace qwen_run
