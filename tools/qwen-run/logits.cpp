// logits: every row of them as a NumPy file, or the likeliest next tokens.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/model_options.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/answer.h"
#include "qwen-run/commands.h"
#include "qwen-run/npy.h"

namespace qwen_run {
namespace {

using tools::Json;
using tools::UsageError;

struct LogitsFlags {
  tools::ModelOptions model;
  SessionFlags session;
  TextInput input;
  std::string ids, output;
  tools::Option ids_option;
  int top = 10;
  bool special = false, json = false;
};

void write_npy(qwen::Session& session, const std::vector<qwen::Token>& ids, const std::string& path) {
  tools::OutputFile file(path);
  session.forward_all_logits(ids, [&](int index, std::span<const float> row) {
    if (index == 0) file.write(npy_header(ids.size(), row.size()));
    file.write(row.data(), row.size_bytes());
  });
  file.commit();
}

void print_top(qwen::Session& session, const std::vector<qwen::Token>& ids, int n, bool as_json) {
  const qwen::Tokenizer& tokenizer = session.model().tokenizer();
  const auto logits = session.forward(ids);
  Json list = Json::array();
  for (const auto& [token, logprob] : qwen::Sampler::top_logprobs(logits, n)) {
    const Json text = token < tokenizer.size() ? tokenizer.decode({&token, 1}, true) : "";
    const float logit = logits[static_cast<std::size_t>(token)];
    if (as_json) {
      list.push_back({{"token", token}, {"text", text}, {"logit", logit}, {"logprob", logprob}});
      continue;
    }
    char line[80];
    std::snprintf(line, sizeof line, "%8d %10.4f %10.4f  ", token, static_cast<double>(logit),
                  static_cast<double>(logprob));
    // Quoted as JSON, so that spaces and line breaks can be seen.
    tools::write_out(line + text.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  if (as_json) tools::write_json({{"tokens", ids.size()}, {"next", std::move(list)}});
}

int logits(const LogitsFlags& flags) {
  const bool by_ids = flags.ids_option.given();
  if (by_ids && flags.input.given()) throw UsageError("expected --ids or a text, not both");
  const std::string text = by_ids ? "" : flags.input.read(false);
  std::vector<qwen::Token> ids = by_ids ? parse_ids(flags.ids) : std::vector<qwen::Token>{};
  if (by_ids ? ids.empty() : text.empty())
    throw UsageError("the prompt is empty: at least one token is needed");
  const qwen::Model model = tools::load_model(flags.model);
  if (!by_ids) {
    ids = model.tokenizer().encode_prompt(text, flags.special ? qwen::Tokenizer::ControlTokens::parse
                                                              : qwen::Tokenizer::ControlTokens::as_text);
  }
  qwen::Session session(model, flags.session.get());
  watch_prefill(session, !flags.model.no_progress);
  if (flags.output.empty()) {
    print_top(session, ids, flags.top, flags.json);
  } else {
    write_npy(session, ids, flags.output);
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> logits_command(tools::CommandLine& app) {
  auto flags = std::make_shared<LogitsFlags>();
  flags->input.add(app, "The text");
  flags->ids_option =
      app.add("--ids", flags->ids, "Token ids instead of a text: 1,2,3").type("IDS").group("Input");
  app.add_flag("--special", flags->special, "Control tokens in the text become their ids")
      .excludes(flags->ids_option)
      .group("Input");
  tools::add_model_options(app, flags->model);
  flags->session.add(app);
  const tools::Option output =
      app.add("-o,--output", flags->output, "Write the logits [tokens, vocabulary] as float32 .npy")
          .type("FILE")
          .group("Output");
  app.add("--top", flags->top, "Show the N likeliest next tokens: id, logit, log-probability, text (10)")
      .range(1, 1000000)
      .excludes(output)
      .type("N")
      .group("Output");
  app.add_flag("--json", flags->json, "The likeliest next tokens as JSON").excludes(output).group("Output");
  return [flags] { return logits(*flags); };
}

}  // namespace qwen_run
