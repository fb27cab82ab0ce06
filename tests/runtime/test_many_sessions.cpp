// Many conversations on several models at once. Run under the thread sanitizer too (scripts/sanitize.sh).
#include <barrier>
#include <catch2/catch.hpp>
#include <thread>

#include "qwen/generate.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

constexpr int kThreads = 8;

// What one conversation comes to: every logit of each step, and the tokens chosen.
struct Result {
  std::vector<Logits> logits;
  std::vector<Token> tokens;
};

// A prompt, a snapshot gone back to, and some tokens one by one: what a chat does.
Result converse(const Model& model, unsigned seed) {
  Result result;
  SessionOptions options;
  options.prefill_chunk = 7;
  Session session(model, options);
  session.forward(random_ids(model, 20, seed));
  const Snapshot snapshot = session.snapshot();
  session.forward(random_ids(model, 5, seed + 100));
  session.restore(snapshot);
  SamplingOptions sampling;
  sampling.temperature = 0.8f;
  sampling.seed = seed;
  Sampler sampler(sampling);
  Token token = random_ids(model, 1, seed + 200)[0];
  for (int i = 0; i < 12; ++i) {
    result.logits.push_back(copy_of(session.forward({&token, 1})));
    token = sampler.sample(result.logits.back());
    result.tokens.push_back(token);
  }
  return result;
}

bool same(const Result& a, const Result& b) {
  if (a.tokens != b.tokens || a.logits.size() != b.logits.size()) return false;
  for (std::size_t i = 0; i < a.logits.size(); ++i)
    if (!same_bits(a.logits[i], b.logits[i])) return false;
  return true;
}

}  // namespace

TEST_CASE("two models and eight sessions on eight threads: the same bits as alone", "[runtime][engine]") {
  const std::vector<Model> models = {load_case({"q8_0", odd_shape(TensorType::q8_0)}, 2),
                                     load_case({"q4_k", wide_shape(TensorType::q4_k)}, 3)};
  const auto model_of = [&](int i) -> const Model& { return models[static_cast<std::size_t>(i % 2)]; };
  std::vector<Result> alone, together(kThreads);
  for (int i = 0; i < kThreads; ++i) alone.push_back(converse(model_of(i), static_cast<unsigned>(i)));
  CHECK_FALSE(same(alone[0], alone[2]));  // else the comparison below would say nothing

  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      together[static_cast<std::size_t>(i)] = converse(model_of(i), static_cast<unsigned>(i));
    });
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads; ++i) {
    INFO("session " << i);
    CHECK(same(together[static_cast<std::size_t>(i)], alone[static_cast<std::size_t>(i)]));
  }
}

TEST_CASE("sessions of one model share a snapshot and a tokenizer from many threads", "[runtime][engine]") {
  const Model model = load_case({"q4_0", odd_shape(TensorType::q4_0)}, 2);
  Session first(model);
  first.forward(random_ids(model, 30));
  const Snapshot snapshot = first.snapshot();
  const std::string text = model.tokenizer().decode(random_ids(model, 40));
  const std::vector<Token> ids = model.tokenizer().encode(text);
  std::vector<Logits> expected;
  for (unsigned i = 0; i < kThreads; ++i) {
    Session session(model);
    session.restore(snapshot);
    expected.push_back(copy_of(session.forward(random_ids(model, 3, i))));
  }
  std::vector<int> wrong(kThreads);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 3; ++repeat) {
        Session session(model);
        session.restore(snapshot);  // shared pages, copied when they are written
        if (!same_bits(session.forward(random_ids(model, 3, i)), expected[i])) ++wrong[i];
        if (model.tokenizer().encode(text) != ids) ++wrong[i];
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(kThreads));
}
