// embed: vectors of short texts, one after another and many in a pass.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "clock.h"
#include "commands.h"
#include "common/output.h"
#include "common/program.h"
#include "process.h"
#include "qwen/embedder.h"
#include "report.h"
#include "statistics.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

struct EmbedFlags {
  ModelChoice choice;
  std::vector<int> together = {1, 8, 30};
  int threads = 0, texts = 240, tokens = 16, repeats = 5;
  bool json = false, markdown = false;
};

struct EmbedRate {
  int together;
  std::vector<double> texts_per_s;  // [repeats]
};

// Texts without a common beginning, each of `tokens` ids.
std::vector<std::vector<Token>> random_texts(const Model& model, const EmbedFlags& flags) {
  std::vector<std::vector<Token>> texts(static_cast<std::size_t>(flags.texts));
  std::uint32_t state = 1;
  for (std::vector<Token>& text : texts)
    for (int i = 0; i < flags.tokens; ++i) {
      state = state * 1664525u + 1013904223u;
      text.push_back(static_cast<Token>((state >> 8) % static_cast<std::uint32_t>(model.tokenizer().size())));
    }
  return texts;
}

// A new engine each time, so that no text is in its cache.
double texts_per_second(const Model& model, const EmbedFlags& flags, int together,
                        std::span<const std::vector<Token>> texts) {
  EngineOptions options;
  options.background = false;
  options.context = flags.tokens + 1;
  options.max_sequences = together;
  options.prefill_tokens = options.prefill_tokens_while_decoding = 512;
  Embedder embedder(std::make_shared<Engine>(model, options));
  const auto start = Clock::now();
  if (together == 1)
    for (const auto& text : texts) embedder.embed_batch(std::span(&text, 1));
  else
    embedder.embed_batch(texts);
  return static_cast<double>(texts.size()) / since(start);
}

int measure_embeddings(EmbedFlags& flags) {
  const std::string path = flags.choice.path();
  LoadOptions load;
  load.threads = flags.threads;
  const Activity before = activity_now();
  const Model model = Model::load(path, load);
  const auto texts = random_texts(model, flags);
  std::vector<EmbedRate> rates;
  for (const int together : flags.together) rates.push_back({together, {}});
  texts_per_second(model, flags, flags.together.front(), std::span(texts).first(1));  // touches the weights
  for (int i = 0; i < flags.repeats; ++i)
    for (EmbedRate& rate : rates)
      rate.texts_per_s.push_back(texts_per_second(model, flags, rate.together, texts));
  const std::string noise = noise_between(before, activity_now());
  Table table({"texts in a pass", "tokens a text", "texts/s, median", "tokens/s"});
  tools::Json list = tools::Json::array();
  for (const EmbedRate& rate : rates) {
    const double texts_per_s = median(rate.texts_per_s);
    table.add({std::to_string(rate.together), std::to_string(flags.tokens), fixed(texts_per_s, 1),
               fixed(texts_per_s * flags.tokens, 0)});
    list.push_back(
        {{"together", rate.together}, {"tokens", flags.tokens}, {"texts_per_s", rate.texts_per_s}});
  }
  if (flags.json) {
    tools::write_json({{"noise", noise}, {"embed", std::move(list)}}, true);
    return tools::kExitOk;
  }
  tools::write_out(flags.markdown ? table.markdown() : table.text());
  if (!noise.empty()) tools::write_out("\nnoisy: " + noise + "\n");
  return tools::kExitOk;
}

}  // namespace

std::function<int()> embed_command(tools::CommandLine& app) {
  auto flags = std::make_shared<EmbedFlags>();
  flags->choice.add_options(app);
  app.add("--together", flags->together, "texts in a pass at most").comma_list().range(1, 256).show_default();
  app.add("-n,--tokens", flags->tokens, "tokens of a text").range(1, 4096).show_default();
  app.add("--texts", flags->texts, "texts of each test").range(1, 100000).show_default();
  app.add("-r,--repeats", flags->repeats, "repeats of each test").range(1, 1000).show_default();
  app.add("-t,--threads", flags->threads, "threads of the model; default: one per core");
  app.add_flag("--json", flags->json, "one JSON object");
  app.add_flag("--markdown", flags->markdown, "Markdown instead of plain tables");
  return [flags] { return measure_embeddings(*flags); };
}

}  // namespace qwen::bench
