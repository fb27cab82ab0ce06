// perplexity: exp of the mean negative log-probability of a text's tokens.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/model_options.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/commands.h"
#include "qwen-run/options.h"

namespace qwen_run {
namespace {

struct Score {
  double sum = 0, squares = 0;
  std::size_t count = 0;

  void add(double nll) {
    sum += nll;
    squares += nll * nll;
    ++count;
  }
  double mean() const { return sum / static_cast<double>(count); }
  // Of the mean.
  double standard_error() const {
    const double n = static_cast<double>(count);
    return count < 2 ? 0 : std::sqrt(std::max(0.0, squares / n - mean() * mean()) / (n - 1));
  }
};

// Each token but the first is scored once. Windows of the context's size overlap by half, so that all tokens
// after the first window have at least half a context before them.
Score score_tokens(qwen::Session& session, std::span<const qwen::Token> tokens, tools::ProgressBar& bar) {
  const auto window = static_cast<std::size_t>(session.context());
  const auto vocab = static_cast<std::size_t>(session.model().tokenizer().size());
  Score score;
  std::size_t next = 1;  // the first token that has no score yet
  while (next < tokens.size()) {
    const std::size_t begin = next == 1 ? 0 : next - std::max<std::size_t>(window / 2, 1);
    const std::size_t end = std::min(begin + window + 1, tokens.size());
    session.rewind(0);
    session.forward_all_logits(
        tokens.subspan(begin, end - 1 - begin), [&](int row, std::span<const float> logits) {
          const std::size_t predicted = begin + static_cast<std::size_t>(row) + 1;
          if (predicted < next) return;
          // Rows of padding beyond the vocabulary are no tokens: they have no probability.
          score.add(-static_cast<double>(qwen::Sampler::logprob(logits.first(vocab), tokens[predicted])));
          bar.update(static_cast<double>(predicted) / static_cast<double>(tokens.size()));
        });
    next = end;
  }
  return score;
}

struct PerplexityFlags {
  tools::ModelOptions model;
  SessionFlags session;
  TextInput input;
  bool json = false;
};

int perplexity(const PerplexityFlags& flags) {
  const std::string text = flags.input.read(false);
  const qwen::Model model = tools::load_model(flags.model);
  const auto tokens = model.tokenizer().encode_prompt(text);
  if (tokens.size() < 2)
    throw tools::UsageError("the text has " + std::to_string(tokens.size()) +
                            " tokens: perplexity needs at least 2, and some thousands to mean anything");
  qwen::Session session(model, flags.session.get());
  const auto start = std::chrono::steady_clock::now();
  tools::ProgressBar bar("scoring", !flags.model.no_progress);
  const Score score = score_tokens(session, tokens, bar);
  bar.finish();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double value = std::exp(score.mean());
  const double error = value * score.standard_error();
  const double bits_per_byte = score.sum / std::log(2.0) / static_cast<double>(text.size());
  if (flags.json) {
    tools::write_json({{"perplexity", value},
                       {"standard_error", error},
                       {"mean_nll", score.mean()},
                       {"tokens", score.count},
                       {"bytes", text.size()},
                       {"bits_per_byte", bits_per_byte},
                       {"context", session.context()},
                       {"seconds", seconds}});
    return tools::kExitOk;
  }
  char line[200];
  std::snprintf(line, sizeof line,
                "perplexity %.4f +- %.4f (%zu tokens scored, context %d, %.4f bits per byte)\n", value, error,
                score.count, session.context(), bits_per_byte);
  tools::write_out(line);
  if (flags.model.verbose || (tools::stderr_is_terminal() && !flags.model.no_progress))
    std::fprintf(stderr, "[%.2f s, %.0f tokens/s]\n", seconds, static_cast<double>(score.count) / seconds);
  return tools::kExitOk;
}

}  // namespace

std::function<int()> perplexity_command(tools::CommandLine& app) {
  auto flags = std::make_shared<PerplexityFlags>();
  flags->input.add(app, "The text");
  tools::add_model_options(app, flags->model);
  flags->session.add(app);
  app.add_flag("--json", flags->json, "One JSON object").group("Output");
  return [flags] { return perplexity(*flags); };
}

}  // namespace qwen_run
