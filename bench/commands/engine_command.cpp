#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "base/fail.h"
#include "clock.h"
#include "commands.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "process.h"
#include "qwen/engine.h"
#include "report.h"
#include "statistics.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

struct EngineFlags : LoadFlags {
  int prompt = 32, tokens = 64, question = 32, repeats = 5, context = 2048;
  bool full = false;
};

// Tokens that no other prompt begins with.
std::vector<Token> fresh_prompt(const Model& model, int count) {
  static std::mt19937 random(1);
  std::vector<Token> out;
  for (int i = 0; i < count; ++i)
    out.push_back(static_cast<Token>(random() % static_cast<unsigned>(model.tokenizer().size())));
  return out;
}

EngineRequest reply(const Model& model, int prompt, int tokens) {
  EngineRequest request;
  request.prompt = fresh_prompt(model, prompt);
  request.generate.max_new_tokens = tokens;
  request.generate.stop_at_end_of_turn = false;
  return request;
}

PromptRequest question(const Model& model, int prompt) {
  PromptRequest request;
  request.prompt = fresh_prompt(model, prompt);
  request.continuations = Continuations({{1}, {2}, {3}});
  return request;
}

struct Rate {
  int at_once;
  std::vector<double> tokens_per_s;  // of all replies
  std::vector<double> first_token;   // seconds, of each reply
};

// Replies that begin together, each time other ones.
Rate measure_rate(Engine& engine, const EngineFlags& flags, int at_once) {
  Rate rate{at_once, {}, {}};
  for (int r = 0; r <= flags.repeats; ++r) {  // the first one warms up
    std::vector<EngineJob> jobs;
    const auto start = Clock::now();
    for (int i = 0; i < at_once; ++i)
      jobs.push_back(engine.submit(reply(engine.model(), flags.prompt, flags.tokens)));
    for (EngineJob& job : jobs) job.result();
    const double seconds = since(start);
    if (r == 0) continue;
    rate.tokens_per_s.push_back(static_cast<double>(at_once) * flags.tokens / seconds);
    for (EngineJob& job : jobs) rate.first_token.push_back(job.result().first_token_seconds);
  }
  return rate;
}

// Answers about a text while all places but one are taken by long replies.
std::vector<double> measure_questions(Engine& engine, const EngineFlags& flags, int chats) {
  std::vector<EngineJob> jobs;
  for (int i = 0; i < chats; ++i)
    jobs.push_back(engine.submit(reply(engine.model(), flags.prompt, flags.context)));
  for (EngineJob& job : jobs)  // all are under way
    while (!job.next() && !job.done()) continue;
  std::vector<double> seconds;
  for (int r = 0; r < 4 * flags.repeats; ++r) {
    EngineJob job = engine.submit(question(engine.model(), flags.question));
    seconds.push_back(job.result().first_token_seconds);
  }
  return seconds;
}

// As many replies as there are places, each in a full context. Meanwhile the first ones' replies grow by a
// token with each part of the others' prompts, so they need room until the last prompt is computed.
Engine::Counters fill(Engine& engine, const EngineFlags& flags) {
  std::vector<EngineJob> jobs;
  Engine::Counters most;
  for (int i = 0; i < engine.options().max_sequences; ++i)
    jobs.push_back(engine.submit(reply(engine.model(), flags.context * 7 / 8, flags.context)));
  for (EngineJob& job : jobs)
    while (!job.done()) {
      job.next(std::chrono::milliseconds(5));
      const Engine::Counters now = engine.counters();
      if (now.kv_bytes >= most.kv_bytes) most = now;
    }
  return most;
}

int engine_bench(EngineFlags& flags) {
  const std::string path = flags.choice.path();
  LoadOptions load;
  load.threads = flags.threads;
  const Activity before = activity_now();
  const Model model = Model::load(path, load);
  EngineOptions options;
  options.context = flags.context;
  options.max_sequences = std::max(2, *std::max_element(flags.at_once.begin(), flags.at_once.end()));
  Engine engine(model, options);
  tools::ProgressBar bar("measuring", !flags.no_progress);
  std::vector<Rate> rates;
  for (const int at_once : flags.at_once) {
    rates.push_back(measure_rate(engine, flags, at_once));
    bar.update(static_cast<double>(rates.size()) / static_cast<double>(flags.at_once.size() + 1));
  }
  const int chats = options.max_sequences - 1;
  const std::vector<double> asked = measure_questions(engine, flags, chats);
  bar.finish();
  Engine::Counters held = flags.full ? fill(engine, flags) : engine.counters();
  const std::string noise = noise_between(before, activity_now());
  const ProcessMemory memory = process_memory();
  if (flags.json) {
    tools::Json list = tools::Json::array();
    for (const Rate& r : rates)
      list.push_back({{"at_once", r.at_once},
                      {"tokens_per_s", median(r.tokens_per_s)},
                      {"first_token_ms", 1e3 * median(r.first_token)}});
    tools::write_json({{"replies", list},
                       {"question_beside", chats},
                       {"question_ms", 1e3 * median(asked)},
                       {"question_worst_ms", 1e3 * percentile(asked, 100)},
                       {"kv_bytes", held.kv_bytes},
                       {"scratch_bytes", held.scratch_bytes},
                       {"resident_bytes", memory.resident},
                       {"noise", noise}},
                      true);
    return tools::kExitOk;
  }
  Table table({"replies at once", "tokens/s in all", "of the first row", "first token, median ms"});
  for (const Rate& r : rates)
    table.add({std::to_string(r.at_once), fixed(median(r.tokens_per_s), 1),
               fixed(median(r.tokens_per_s) / median(rates.front().tokens_per_s), 2),
               fixed(1e3 * median(r.first_token), 1)});
  tools::write_out(flags.markdown ? table.markdown() : table.text());
  tools::write_out(
      cat("\nan answer about ", flags.question, " tokens beside ", chats, " long replies: median ",
          fixed(1e3 * median(asked), 1), " ms, worst ", fixed(1e3 * percentile(asked, 100), 1), " ms\n",
          flags.full ? "all contexts full: " : "now: ", "KV ",
          fixed(static_cast<double>(held.kv_bytes) * 1e-6, 1), " MB, scratch ",
          fixed(static_cast<double>(held.scratch_bytes) * 1e-6, 1), " MB, peak of the process less weights ",
          fixed((static_cast<double>(memory.peak) - static_cast<double>(model.weight_bytes())) * 1e-6, 1),
          " MB\n"));
  if (!noise.empty()) tools::write_out("\nnoisy: " + noise + "\n");
  return tools::kExitOk;
}

}  // namespace

std::function<int()> engine_command(tools::CommandLine& app) {
  auto flags = std::make_shared<EngineFlags>();
  flags->add_options(app);
  const auto number = [&](const char* name, int& value, const char* what, int most) {
    app.add(name, value, what).range(1, most).show_default();
  };
  number("-p,--n-prompt", flags->prompt, "tokens of a reply's prompt", 1 << 16);
  number("-n,--n-gen", flags->tokens, "tokens of a reply", 1 << 16);
  number("-q,--question", flags->question, "tokens of a short question sent during the replies", 1 << 16);
  number("-r,--repeats", flags->repeats, "measurements of each", 1000);
  number("-c,--context", flags->context, "tokens of each request", 1 << 20);
  app.add_flag("--full", flags->full, "also fill every context and measure the memory");
  return [flags] { return engine_bench(*flags); };
}

}  // namespace qwen::bench
