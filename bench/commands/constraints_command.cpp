// constraints: what constrained answers cost: compiling, each token, and tokens/s beside free answers.
#include <memory>
#include <random>

#include "base/fail.h"
#include "clock.h"
#include "commands.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "constraints/constraint_state.h"
#include "process.h"
#include "qwen/constraint.h"
#include "qwen/generate.h"
#include "qwen/task.h"
#include "report.h"
#include "runtime/state.h"
#include "statistics.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

using constraints::ConstraintState;

struct ConstraintsFlags {
  ModelChoice choice;
  std::string vocabulary;
  int threads = 0, repeats = 5, documents = 20, tokens = 256;
  bool json = false, markdown = false, no_progress = false;
};

struct Case {
  std::string name;
  Constraint constraint;
  double compile_seconds;
};

// An object of 50 keywords, and many kinds of them.
std::string many_keywords() {
  std::string members, names;
  for (int i = 0; i < 8; ++i) {
    const std::string name = "field_" + std::to_string(i);
    const char* types[] = {
        R"({"type": "string", "minLength": 1, "maxLength": 40})",
        R"({"type": "integer", "minimum": 0, "maximum": 5000, "multipleOf": 5})",
        R"({"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 4})",
        R"({"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,6}$"})"};
    members += cat(i > 0 ? ", " : "", '"', name, "\": ", types[i % 4]);
    names += cat(i > 0 ? ", " : "", '"', name, '"');
  }
  return cat(R"({"type": "object", "properties": {)", members, R"(}, "required": [)", names,
             R"(], "additionalProperties": false})");
}

std::vector<Case> all_cases(int repeats) {
  std::vector<std::pair<std::string, std::string>> schemas;
  const TaskRegistry registry;
  for (const std::string& name : registry.names())
    if (const Task& task = registry.get(name); task.kind == TaskKind::extract)
      schemas.emplace_back(name, task.schema);
  schemas.emplace_back("50 keywords", many_keywords());
  schemas.emplace_back("any object", R"({"type": "object"})");
  std::vector<Case> cases;
  for (const auto& [name, schema] : schemas) {
    std::vector<double> seconds;
    for (int i = 0; i < repeats; ++i) {
      const auto start = Clock::now();
      const Constraint once = Constraint::json_schema(schema);
      seconds.push_back(since(start));
    }
    cases.push_back({name, Constraint::json_schema(schema), median(seconds)});
  }
  return cases;
}

struct TokenCosts {
  std::vector<double> seconds;  // of each token that is chosen
  int forced = 0;
  double share_forced() const {
    return static_cast<double>(forced) /
           std::max<double>(1, static_cast<double>(forced) + static_cast<double>(seconds.size()));
  }
};

// Documents of tokens drawn at random from the allowed ones: no token is ever the one that a model would have chosen, so
// that the set of allowed tokens is needed each time. The worst case.
TokenCosts token_costs(const Model& model, const Constraint& constraint, const ConstraintsFlags& flags) {
  const runtime::ModelState& m = runtime::state_of(model);
  std::mt19937 random(1);
  TokenCosts out;
  for (int document = 0; document < flags.documents; ++document) {
    ConstraintState state(constraint, m.token_trie(), m.tokenizer, m.end_of_turn, flags.tokens);
    for (const Token token : state.forced()) {
      state.accept(token);
      ++out.forced;
    }
    while (!state.must_end()) {
      const auto start = Clock::now();
      const constraints::TokenSet& allowed = state.allowed();
      double seconds = since(start);
      const std::vector<Token> tokens = allowed.tokens();
      const Token token = tokens[random() % tokens.size()];
      if (model.is_end_of_turn(token)) break;
      const auto again = Clock::now();
      state.accept(token);
      const std::vector<Token> forced = state.forced();
      seconds += since(again);
      out.seconds.push_back(seconds);
      for (const Token each : forced) state.accept(each);
      out.forced += static_cast<int>(forced.size());
    }
  }
  return out;
}

// Tokens/s of whole answers, the prompt left out.
double rate_of(const Model& model, const std::optional<Constraint>& constraint, const ConstraintsFlags& flags,
               std::uint64_t seed) {
  Session session(model);
  GenerateOptions options;
  options.max_new_tokens = flags.tokens;
  options.sampling = SamplingOptions{.seed = seed};
  options.constraint = constraint;
  options.stop_at_end_of_turn = constraint.has_value();
  const std::vector<Token> prompt = model.tokenizer().encode(
      "Extract the facts as JSON: the room was clean, but breakfast is too expensive.");
  const GenerateResult result = generate(session, prompt, options);
  const double seconds = result.token_seconds.back() - result.prefill_seconds;
  return static_cast<double>(result.tokens.size()) / seconds;
}

int measure_constraints(ConstraintsFlags& flags) {
  flags.choice.require();
  std::unique_ptr<ModelInMemory> synthetic;
  LoadOptions load;
  load.threads = flags.threads;
  std::string path = flags.choice.model;
  if (!flags.choice.synthetic.empty()) {
    SyntheticSpec spec = parse_synthetic(flags.choice.synthetic);
    spec.vocabulary = flags.vocabulary;
    synthetic = std::make_unique<ModelInMemory>(spec);
    path = synthetic->path();
  }
  const Activity before = activity_now();
  const Model model = Model::load(path, load);
  tools::ProgressBar bar("measuring", !flags.no_progress);
  Table table(
      {"schema", "compile ms", "us a token, median", "p99", "max", "forced", "tokens/s", "tokens/s without"});
  tools::Json list = tools::Json::array();
  const std::vector<Case> cases = all_cases(20);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    bar.update(static_cast<double>(i) / static_cast<double>(cases.size()));
    const Case& c = cases[i];
    const TokenCosts costs = token_costs(model, c.constraint, flags);
    std::vector<double> with, without;  // one after the other, so that both see the same machine
    for (int r = 0; r < flags.repeats; ++r) {
      with.push_back(rate_of(model, c.constraint, flags, static_cast<std::uint64_t>(r)));
      without.push_back(rate_of(model, std::nullopt, flags, static_cast<std::uint64_t>(r)));
    }
    const double half = median(costs.seconds), p99 = percentile(costs.seconds, 99),
                 most = percentile(costs.seconds, 100);
    table.add({c.name, fixed(1e3 * c.compile_seconds, 2), fixed(1e6 * half, 1), fixed(1e6 * p99, 0),
               fixed(1e6 * most, 0), fixed(100 * costs.share_forced(), 0) + " %", fixed(median(with), 1),
               fixed(median(without), 1)});
    list.push_back({{"schema", c.name},
                    {"compile_ms", 1e3 * c.compile_seconds},
                    {"token_us", {{"median", 1e6 * half}, {"p99", 1e6 * p99}, {"max", 1e6 * most}}},
                    {"forced_share", costs.share_forced()},
                    {"tokens_per_s", median(with)},
                    {"tokens_per_s_without", median(without)}});
  }
  bar.finish();
  const std::string noise = noise_between(before, activity_now());
  if (flags.json) {
    tools::write_json({{"vocabulary", model.tokenizer().size()}, {"noise", noise}, {"constraints", list}},
                      true);
    return tools::kExitOk;
  }
  tools::write_out(flags.markdown ? table.markdown() : table.text());
  if (!noise.empty()) tools::write_out("\nnoisy: " + noise + "\n");
  return tools::kExitOk;
}

}  // namespace

std::function<int()> constraints_command(tools::CommandLine& app) {
  auto flags = std::make_shared<ConstraintsFlags>();
  flags->choice.add_options(app);
  app.add("--vocab", flags->vocabulary, "model file whose tokenizer the synthetic model uses");
  app.add("-t,--threads", flags->threads, "threads of the model; default: one per core");
  app.add("-n,--n-gen", flags->tokens, "tokens of an answer at most").range(80, 1024).show_default();
  app.add("-r,--repeats", flags->repeats, "answers of each kind").range(1, 1000).show_default();
  app.add("--documents", flags->documents, "random documents that the cost of a token is measured on")
      .range(1, 100000)
      .show_default();
  app.add_flag("--json", flags->json, "one JSON object");
  app.add_flag("--markdown", flags->markdown, "Markdown instead of a plain table");
  app.add_flag("--no-progress", flags->no_progress, "no progress bar");
  return [flags] { return measure_constraints(*flags); };
}

}  // namespace qwen::bench
