// Drafts and logits processors in the generation loop.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "runtime/engine_core.h"
#include "runtime/engine_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

const Model& shared_model() {
  static const Model loaded = random_model();
  return loaded;
}

// Proposes the right answer with a wrong token here and there.
class Guesses : public runtime::DraftSource {
 public:
  Guesses(std::vector<Token> all, std::size_t wrong_every)
      : all_(std::move(all)), wrong_every_(wrong_every) {}
  void propose(std::span<const Token> tokens, int limit, std::vector<Token>& out) override {
    for (int i = 0; i < limit && tokens.size() + static_cast<std::size_t>(i) < all_.size(); ++i) {
      const std::size_t at = tokens.size() + static_cast<std::size_t>(i);
      out.push_back(at % wrong_every_ == 0 ? (all_[at] + 1) % 200 : all_[at]);
    }
  }
  void verified(int, int accepted) override { accepted_ += accepted; }
  int accepted() const { return accepted_; }

 private:
  std::vector<Token> all_;
  std::size_t wrong_every_;
  int accepted_ = 0;
};

std::vector<GenerateOptions> some_options() {
  std::vector<GenerateOptions> out;
  for (const SamplingOptions& sampling :
       {SamplingOptions{.temperature = 0}, SamplingOptions{.temperature = 2, .top_k = 0, .seed = 5},
        SamplingOptions{.temperature = 1.5f, .top_k = 8, .repetition_penalty = 1.2f, .seed = 6}}) {
    GenerateOptions options = greedy_options(40);
    options.sampling = sampling;
    out.push_back(options);
  }
  out.push_back(out.back());
  out.back().logprobs = 2;
  return out;
}

}  // namespace

TEST_CASE("drafts never change an answer", "[runtime]") {
  const std::vector<Token> prompt = some_prompt(30, 4);
  EngineOptions engine_options;
  engine_options.background = false;
  for (const GenerateOptions& options : some_options()) {
    const GenerateResult plain = alone(shared_model(), {}, prompt, options);
    std::vector<Token> all = prompt;
    all.insert(all.end(), plain.tokens.begin(), plain.tokens.end());
    for (const std::size_t wrong_every : {1, 2, 3, 5, 1000}) {
      const auto guesses = std::make_shared<Guesses>(all, wrong_every);
      Session session(shared_model());
      runtime::SessionState& s = runtime::Access::state(session);
      runtime::EngineCore engine(s);
      const auto state = std::make_shared<runtime::RequestState>(shared_model(), request_of(prompt, options),
                                                                 s.sequence.context, guesses);
      engine.submit_on(s.sequence, state);
      engine.wait_for_end(*state);
      const GenerateResult& found = state->result().generation;
      CHECK(found.tokens == plain.tokens);
      CHECK(found.text == plain.text);
      CHECK(found.finish == plain.finish);
      CHECK(found.logprobs.size() == plain.logprobs.size());
      for (std::size_t i = 0; i < std::min(found.logprobs.size(), plain.logprobs.size()); ++i)
        CHECK(found.logprobs[i].logprob == plain.logprobs[i].logprob);
      CHECK((guesses->accepted() > 20) == (wrong_every > 2));
      CHECK(session.position() == 30 + 39);
      if (wrong_every == 1000) CHECK(engine.counters().passes < 12);
    }
  }
}

TEST_CASE("a logits processor changes the choice, not the log-probabilities", "[runtime]") {
  const std::vector<Token> prompt = some_prompt(20, 3);
  GenerateOptions options = greedy_options(10);
  options.logprobs = 1;
  const GenerateResult plain = alone(shared_model(), {}, prompt, options);
  std::vector<std::size_t> lengths;
  options.logits_processor = [&](std::span<const Token> generated, std::span<float> logits) {
    lengths.push_back(generated.size());
    CHECK(static_cast<int>(logits.size()) == shared_model().tokenizer().size());
    std::ranges::fill(logits, -INFINITY);
    logits[77] = 0;
  };
  const GenerateResult found = alone(shared_model(), {}, prompt, options);
  CHECK(found.tokens == std::vector<Token>(10, 77));
  CHECK(lengths == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(found.alternatives[0][0].token == plain.tokens[0]);
  CHECK(found.alternatives[0][0].logprob == plain.logprobs[0].logprob);
  CHECK(found.logprobs[0].logprob < 0);
  options.logits_processor = [](std::span<const Token>, std::span<float>) {
    throw std::runtime_error("enough");
  };
  Session session(shared_model());
  CHECK_THROWS_WITH(generate(session, prompt, options), "enough");
}

TEST_CASE("generate uses the model's sampling and a fresh seed unless told otherwise", "[runtime]") {
  Session a(shared_model()), b(shared_model());
  const std::vector<Token> prompt = some_prompt(20, 3);
  const GenerateResult first = generate(a, prompt), second = generate(b, prompt);
  CHECK(first.seed != second.seed);
  GenerateOptions same;
  same.sampling = shared_model().info().sampling;
  same.sampling->seed = first.seed;
  b.rewind(0);
  CHECK(generate(b, prompt, same).tokens == first.tokens);
}
