// GenerateOptions::prompt_logprobs: the numbers of Session::forward_all_logits, however the prompt is computed.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "runtime/engine_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

struct Logprobs {
  std::vector<TokenProbability> tokens;
  std::vector<std::vector<TokenProbability>> alternatives;
};

bool same(const TokenProbability& a, const TokenProbability& b) {
  return a.token == b.token && (a.logprob == b.logprob || (std::isnan(a.logprob) && std::isnan(b.logprob)));
}

void check_equal(const std::vector<TokenProbability>& tokens,
                 const std::vector<std::vector<TokenProbability>>& alternatives, const Logprobs& expected) {
  CHECK(std::ranges::equal(tokens, expected.tokens, same));
  CHECK(std::ranges::equal(alternatives, expected.alternatives,
                           [](const auto& a, const auto& b) { return std::ranges::equal(a, b, same); }));
}

// By the definition: the logits before each token, over the vocabulary without padding.
Logprobs expected_logprobs(const Model& model, const std::vector<Token>& prompt, int alternatives) {
  Logprobs out;
  out.tokens.push_back({prompt[0], NAN});
  out.alternatives.emplace_back();
  Session session(model);
  session.forward_all_logits(prompt, [&](int i, std::span<const float> row) {
    if (i + 1 == static_cast<int>(prompt.size())) return;
    const Token next = prompt[static_cast<std::size_t>(i) + 1];
    const auto logits = row.first(static_cast<std::size_t>(model.tokenizer().size()));
    const bool padding = next >= model.tokenizer().size();
    out.tokens.push_back({next, padding ? -INFINITY : Sampler::logprob(logits, next)});
    out.alternatives.push_back(Sampler::top_logprobs(logits, alternatives));
  });
  return out;
}

GenerateOptions wanted(int tokens, int alternatives) {
  GenerateOptions options = greedy_options(tokens);
  options.prompt_logprobs = alternatives;
  return options;
}

}  // namespace

TEST_CASE("prompt log-probabilities equal those of all logits", "[runtime]") {
  const Model model = random_model();
  for (const int length : {1, 2, 16, 17, 18, 70}) {
    INFO("length " << length);
    std::vector<Token> prompt = some_prompt(length, static_cast<unsigned>(length));
    if (length == 70) prompt[40] = model.shape().embedding_rows - 1;  // a row of padding
    const Logprobs expected = expected_logprobs(model, prompt, 3);
    for (const int chunk : {1, 7, 17, 512}) {
      SessionOptions options;
      options.prefill_chunk = chunk;
      Session session(model, options);
      const GenerateResult found = generate(session, prompt, wanted(5, 3));
      check_equal(found.prompt_logprobs, found.prompt_alternatives, expected);
      CHECK(found.tokens == alone(model, {}, prompt, greedy_options(5)).tokens);
    }
  }
  Session session(model);
  const GenerateResult none = generate(session, some_prompt(5, 1), greedy_options(2));
  CHECK(none.prompt_logprobs.empty());
  CHECK(none.prompt_alternatives.empty());
}

TEST_CASE("prompt log-probabilities continue a session's last token", "[runtime]") {
  const Model model = random_model();
  const std::vector<Token> prompt = some_prompt(30, 5);
  const Logprobs whole = expected_logprobs(model, prompt, 2);
  const std::vector<Token> begin(prompt.begin(), prompt.begin() + 10),
      rest(prompt.begin() + 10, prompt.end());
  Logprobs expected;
  expected.tokens.assign(whole.tokens.begin() + 10, whole.tokens.end());
  expected.alternatives.assign(whole.alternatives.begin() + 10, whole.alternatives.end());
  Session session(model);
  session.prefill(begin);
  const GenerateResult found = generate(session, rest, wanted(1, 2));
  check_equal(found.prompt_logprobs, found.prompt_alternatives, expected);
  // The state before the first token is gone.
  session.rewind(10);
  const GenerateResult rewound = generate(session, rest, wanted(1, 2));
  expected.tokens[0].logprob = NAN;
  expected.alternatives[0].clear();
  check_equal(rewound.prompt_logprobs, rewound.prompt_alternatives, expected);
  // No prompt, no log-probabilities.
  session.rewind(0);
  session.prefill(prompt);
  CHECK(generate(session, {}, wanted(1, 2)).prompt_logprobs.empty());
}

TEST_CASE("prompt log-probabilities depend neither on company nor on cached prefixes", "[runtime]") {
  const Model model = random_model();
  const std::vector<Token> prompt = some_prompt(100, 9);
  const Logprobs expected = expected_logprobs(model, prompt, 4);
  EngineOptions options;
  options.context = 256;
  options.prefill_tokens = 40;
  options.prefill_tokens_while_decoding = 9;
  options.max_sequences = 4;
  Engine engine(model, options);
  const auto plain = alone(model, options, prompt, greedy_options(20));
  engine.submit(request_of(prompt, greedy_options(20))).result();  // its KV is kept
  std::vector<EngineJob> company, jobs;
  for (unsigned i = 0; i < 3; ++i) {
    company.push_back(engine.submit(request_of(i == 0 ? prompt : some_prompt(60, i), greedy_options(20))));
    jobs.push_back(engine.submit(request_of(prompt, wanted(i == 1 ? 0 : 20, 4))));
  }
  for (EngineJob& job : jobs) {
    std::string text;
    Logprobs streamed;
    std::size_t tokens = 0;
    while (auto chunk = job.next()) {
      if (!chunk->prompt_logprobs.empty()) CHECK(streamed.tokens.empty());  // in one piece
      if (!chunk->tokens.empty()) CHECK(streamed.tokens.size() + chunk->prompt_logprobs.size() == 100);
      streamed.tokens.insert(streamed.tokens.end(), chunk->prompt_logprobs.begin(),
                             chunk->prompt_logprobs.end());
      streamed.alternatives.insert(streamed.alternatives.end(), chunk->prompt_alternatives.begin(),
                                   chunk->prompt_alternatives.end());
      text += chunk->text;
      tokens += chunk->tokens.size();
    }
    const EngineResult& result = job.result();
    CHECK(result.cached_tokens == 0);
    check_equal(streamed.tokens, streamed.alternatives, expected);
    check_equal(result.generation.prompt_logprobs, result.generation.prompt_alternatives, expected);
    CHECK(text == result.generation.text);
    CHECK(tokens == result.generation.tokens.size());
    if (&job != &jobs[1]) CHECK(result.generation.tokens == plain.tokens);
  }
  // A later prompt may continue from this one's KV.
  CHECK(engine.submit(request_of(prompt, greedy_options(20))).result().cached_tokens == 99);
}

TEST_CASE("a request whose prompt log-probabilities are not finite fails alone", "[runtime]") {
  static const TestFolder folder("nan-model");
  TinyModel tiny;
  // The state after token 7 is NaN.
  tiny.edit = [](TinyTensor& tensor) {
    if (tensor.name == "token_embd.weight") tensor.values[7 * 64] = NAN;
    return true;
  };
  tiny.own_head = true;
  const Model model = Model::load(write_tiny_model(tiny, folder / "tiny.gguf"));
  EngineOptions options;
  options.background = false;
  Engine engine(model, options);
  const std::vector<Token> good = some_prompt(20, 1);
  EngineJob bad = engine.submit(request_of({1, 7, 2, 3}, wanted(3, 1)));
  EngineJob beside = engine.submit(request_of(good, wanted(3, 1)));
  CHECK_THROWS_WITH(bad.result(), Catch::Contains("finite"));
  CHECK(beside.result().generation.prompt_logprobs.size() == 20);
}
