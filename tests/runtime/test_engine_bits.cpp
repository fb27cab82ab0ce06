// A result never depends on company, on what was reused, or on the moment.
#include <algorithm>
#include <catch2/catch.hpp>
#include <mutex>
#include <thread>

#include "runtime/engine_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

struct Case {
  std::vector<Token> prompt;
  GenerateOptions generation;
  GenerateResult expected;
};

// Prompts of a few families, so that they share beginnings of any length; options of all kinds.
std::vector<Case> make_cases(const Model& model, const EngineOptions& options, int count, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const std::vector<SamplingOptions> samplings = {
      {.temperature = 0},
      {.temperature = 2, .top_k = 0},
      {.temperature = 1.5f, .top_k = 5, .repetition_penalty = 1.3f, .penalty_last_n = 16},
      {.temperature = 3, .top_k = 0, .top_p = 1, .min_p = 0.01f},
      {.frequency_penalty = 0.5f}};
  std::vector<Case> cases(static_cast<std::size_t>(count));
  for (Case& c : cases) {
    c.prompt = some_prompt(1 + below(300), static_cast<unsigned>(below(3)));
    for (int i = below(6); i > 0; --i) c.prompt.push_back(below(256));
    GenerateOptions& g = c.generation;
    g.max_new_tokens = 1 + below(30);
    g.stop_at_end_of_turn = below(2) == 0;
    g.logprobs = below(4) - 2;
    const std::uint64_t seed = random();
    g.sampling = samplings[static_cast<std::size_t>(below(5))];
    g.sampling->seed = seed;
    if (g.sampling->frequency_penalty > 0) g.sampling->logit_bias = {{below(256), 2.0f}};
    if (below(4) == 0) g.stop = {"e", "the"};
    c.expected = alone(model, options, c.prompt, c.generation);
  }
  return cases;
}

void check_equal(const GenerateResult& found, const GenerateResult& expected) {
  CHECK(found.tokens == expected.tokens);
  CHECK(found.text == expected.text);
  CHECK(found.finish == expected.finish);
  const auto same = [](const TokenProbability& a, const TokenProbability& b) {
    return a.token == b.token && a.logprob == b.logprob;
  };
  CHECK(std::ranges::equal(found.logprobs, expected.logprobs, same));
  CHECK(std::ranges::equal(found.alternatives, expected.alternatives,
                           [&](const auto& a, const auto& b) { return std::ranges::equal(a, b, same); }));
}

// Many threads submit the cases in random order, with others beside them that are cancelled at random.
void run_mixed(const Model& model, const EngineOptions& options, const std::vector<Case>& cases,
               unsigned seed) {
  Engine engine(model, options);
  std::mutex results_mutex;
  std::vector<std::pair<std::size_t, GenerateResult>> results;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(seed + t);
      std::vector<EngineJob> neighbors;
      for (std::size_t i = t; i < cases.size(); i += 3) {
        const std::size_t other = random() % cases.size();
        const Priority priority = random() % 3 == 0 ? Priority::high : Priority::normal;
        neighbors.push_back(
            engine.submit(request_of(cases[other].prompt, cases[other].generation, priority)));
        EngineJob job = engine.submit(request_of(cases[i].prompt, cases[i].generation, priority));
        if (random() % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        if (random() % 2 == 0) neighbors[random() % neighbors.size()].cancel();
        if (random() % 2 == 0) neighbors.erase(neighbors.begin());
        std::string text;
        while (auto chunk = job.next()) text += chunk->text;
        const std::lock_guard lock(results_mutex);
        results.emplace_back(i, job.result().generation);
        if (text != results.back().second.text) results.back().second.text = "the chunks differ";
      }
    });
  for (std::thread& thread : threads) thread.join();
  REQUIRE(results.size() == cases.size());
  for (const auto& [i, result] : results) {
    INFO("case " << i);
    check_equal(result, cases[i].expected);
  }
  const Engine::Counters counters = engine.counters();
  CHECK(counters.failed == 0);
  CHECK(counters.refused == 0);
}

}  // namespace

TEST_CASE("answers are those of a session alone, whatever the company", "[runtime]") {
  const Model model = random_model();
  for (const KvType kv_type : {KvType::f16, KvType::f32}) {
    EngineOptions options;
    options.context = 320;  // a few of them end with a full context
    options.kv_type = kv_type;
    options.max_queued = 1000;
    const std::vector<Case> cases = make_cases(model, options, 24, kv_type == KvType::f16 ? 1 : 2);
    for (const int parallel : {1, 2, 3, 8}) {
      INFO("parallel " << parallel);
      options.max_sequences = parallel;
      options.prefill_tokens = parallel % 2 == 0 ? 128 : 50;
      options.prefill_tokens_while_decoding = parallel == 3 ? 1 : 24;
      options.prefix_bytes = parallel == 2 ? 0 : std::size_t{1} << 20;
      run_mixed(model, options, cases, 100 + static_cast<unsigned>(parallel));
    }
  }
}

TEST_CASE("what requests begin with is computed once", "[runtime]") {
  const Model model = random_model();
  EngineOptions options;
  options.context = 512;
  options.max_sequences = 4;
  Engine engine(model, options);
  const std::vector<Token> prompt = some_prompt(200, 1);
  GenerateOptions generation = greedy_options(10);
  const EngineResult first = engine.submit(request_of(prompt, generation)).result();
  CHECK(first.cached_tokens == 0);
  CHECK(engine.submit(request_of(prompt, generation)).result().cached_tokens == 199);
  // A conversation goes on: its own answer is known, but for the last token, which was never fed back.
  std::vector<Token> longer = prompt;
  longer.insert(longer.end(), first.generation.tokens.begin(), first.generation.tokens.end());
  longer.insert(longer.end(), {1, 2, 3});
  const EngineResult next = engine.submit(request_of(longer, generation)).result();
  CHECK(next.cached_tokens == 209);
  CHECK(next.generation.prompt_tokens == 4);
  CHECK(next.generation.tokens == alone(model, options, longer, generation).tokens);

  // Four at once: the first computes, the others take it over.
  const std::vector<Token> other = some_prompt(300, 2);
  std::vector<EngineJob> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(engine.submit(request_of(other, generation)));
  int computed = 0;
  for (EngineJob& job : jobs) {
    computed += 300 - job.result().cached_tokens;
    CHECK(job.result().generation.tokens == alone(model, options, other, generation).tokens);
  }
  CHECK(computed == 303);
}

TEST_CASE("pinned prefixes stay, kept ones go with the room", "[runtime]") {
  const Model model = random_model();
  const TestFolder folder("engine-prefixes");
  EngineOptions options;
  options.context = 512;
  options.max_sequences = 2;
  options.prefix_folder = folder / "kv";
  const std::vector<Token> fixed = some_prompt(100, 7);
  std::vector<Token> prompt = fixed;
  prompt.insert(prompt.end(), {5, 6, 7});
  for (int run = 0; run < 2; ++run) {
    Engine engine(model, options);
    engine.pin(fixed);
    engine.pin(fixed);
    CHECK(engine.counters().submitted == 1);
    CHECK(engine.counters().pinned_prefixes == 1);
    CHECK(engine.counters().loaded_prefixes == (run == 0 ? 0 : 1));
    const std::size_t page = 256 * 2 * 2 * 2 * 16 * 2;  // tokens, layers, heads, keys and values, dim, bytes
    std::size_t most = 0;
    for (unsigned i = 0; i < 30; ++i) {
      engine.submit(request_of(some_prompt(300, 100 + i), greedy_options(2))).result();
      most = std::max(most, engine.counters().kv_bytes);
    }
    CHECK(most <= 2 * 2 * page);
    CHECK(most > 2 * page);  // something is kept
    CHECK(engine.submit(request_of(prompt, greedy_options(2))).result().cached_tokens == 100);
  }
  options.prefix_bytes = 0;
  options.prefix_folder.clear();
  Engine engine(model, options);
  engine.submit(request_of(prompt, greedy_options(2))).result();
  CHECK(engine.submit(request_of(prompt, greedy_options(2))).result().cached_tokens == 0);
  while (engine.counters().kv_bytes > 0) std::this_thread::yield();  // all of it is let go
}
