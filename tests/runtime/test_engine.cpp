#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>

#include "runtime/engine_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

const Model& served_model() {
  static const Model loaded = random_model();
  return loaded;
}

EngineOptions small(int parallel = 4) {
  EngineOptions options;
  options.context = 512;
  options.max_sequences = parallel;
  return options;
}

bool throws_code(const std::function<void()>& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == code;
  }
  return false;
}

// Ends only when it is cancelled.
EngineRequest endless(unsigned salt = 1) {
  return request_of(some_prompt(5, salt), greedy_options(1 << 30));
}

EngineOptions long_context(int parallel) {
  EngineOptions options = small(parallel);
  options.context = 1024;  // all that the tiny model has
  return options;
}

// A reply that cannot end by itself before the test is done with it: its text is chosen on the engine's
// thread.
class Gate {
 public:
  EngineRequest request(unsigned salt = 1) {
    EngineRequest out = endless(salt);
    out.on_text = [this](std::string_view) {
      entered_ = true;
      while (!open_) std::this_thread::yield();
      return true;
    };
    return out;
  }
  void wait_until_entered() const {
    while (!entered_) std::this_thread::yield();
  }
  void open() { open_ = true; }

 private:
  std::atomic<bool> entered_{false}, open_{false};
};

}  // namespace

TEST_CASE("next() returns all of the text in whole characters, result() the same text", "[runtime]") {
  Engine engine(served_model(), small());
  GenerateOptions generation = greedy_options(40);
  generation.logprobs = 2;
  const std::vector<Token> prompt = some_prompt(30, 1);
  EngineJob job = engine.submit(request_of(prompt, generation));
  EngineChunk all;
  while (auto chunk = job.next()) {
    all.text += chunk->text;
    all.tokens.insert(all.tokens.end(), chunk->tokens.begin(), chunk->tokens.end());
    all.logprobs.insert(all.logprobs.end(), chunk->logprobs.begin(), chunk->logprobs.end());
    all.alternatives.insert(all.alternatives.end(), chunk->alternatives.begin(), chunk->alternatives.end());
  }
  CHECK(job.done());
  const EngineResult& result = job.result();
  CHECK(all.text == result.generation.text);
  CHECK(all.tokens == result.generation.tokens);
  CHECK(all.logprobs.size() == 40);
  CHECK(all.alternatives.size() == 40);
  CHECK(result.generation.tokens == alone(served_model(), engine.options(), prompt, generation).tokens);
  CHECK(result.prompt_tokens == 30);
  CHECK(result.cached_tokens == 0);
  CHECK(result.generation.prompt_tokens == 30);
  CHECK(result.queue_seconds <= result.first_token_seconds);
  CHECK(result.first_token_seconds <= result.total_seconds);
  CHECK_FALSE(job.next().has_value());
}

TEST_CASE("ends are those of generate", "[runtime]") {
  Engine engine(served_model(), small());
  const std::vector<Token> prompt = some_prompt(20, 2);
  GenerateOptions none = greedy_options(0);
  EngineJob job = engine.submit(request_of(prompt, none));
  CHECK(job.result().generation.finish == FinishReason::length);
  CHECK(job.result().generation.tokens.empty());
  const std::vector<Token> full = some_prompt(512, 3);
  job = engine.submit(request_of(full, greedy_options(100)));
  CHECK(job.result().generation.finish == FinishReason::context_full);
  CHECK(job.result().generation.tokens ==
        alone(served_model(), engine.options(), full, greedy_options(100)).tokens);
  CHECK(job.result().generation.tokens.size() == 1);
  const std::string text = alone(served_model(), engine.options(), prompt, greedy_options(30)).text;
  GenerateOptions stop = greedy_options(30);
  for (std::size_t i = 4; i + 1 < text.size() && stop.stop.empty(); ++i)
    if (static_cast<unsigned char>(text[i]) < 128) stop.stop.push_back(text.substr(i, 1));
  REQUIRE_FALSE(stop.stop.empty());
  job = engine.submit(request_of(prompt, stop));
  const GenerateResult expected = alone(served_model(), engine.options(), prompt, stop);
  CHECK(job.result().generation.finish == FinishReason::stop_string);
  CHECK(job.result().generation.text == expected.text);
  CHECK(job.result().generation.tokens == expected.tokens);
  EngineRequest until = request_of(prompt, greedy_options(30));
  until.on_text = [](std::string_view) { return false; };
  job = engine.submit(std::move(until));
  CHECK(job.result().generation.finish == FinishReason::cancelled);
  CHECK(job.result().generation.tokens.size() <= 4);
}

TEST_CASE("invalid requests are rejected on submit", "[runtime]") {
  Engine engine(served_model(), small());
  const auto refused = [&](EngineRequest request, ErrorCode code) {
    return throws_code([&] { engine.submit(std::move(request)); }, code);
  };
  CHECK(refused(request_of({}, greedy_options(1)), ErrorCode::invalid_argument));
  CHECK(refused(request_of({1 << 20}, greedy_options(1)), ErrorCode::invalid_argument));
  CHECK(refused(request_of({-1}, greedy_options(1)), ErrorCode::invalid_argument));
  CHECK(refused(request_of({1}, greedy_options(-1)), ErrorCode::invalid_argument));
  CHECK(refused(request_of(some_prompt(513, 1), greedy_options(1)), ErrorCode::context_full));
  GenerateOptions bad = greedy_options(1);
  bad.sampling->top_p = 2;
  CHECK(refused(request_of({1}, bad), ErrorCode::invalid_argument));
  bad = greedy_options(1);
  bad.stop = {""};
  CHECK(refused(request_of({1}, bad), ErrorCode::invalid_argument));
  bad = greedy_options(1);
  bad.sampling->logit_bias = {{1 << 20, 1.0f}};
  CHECK(refused(request_of({1}, bad), ErrorCode::invalid_argument));
  const Engine::Counters counters = engine.counters();
  CHECK(counters.submitted == 0);
  CHECK(counters.running + counters.queued == 0);
  EngineOptions options = small(0);
  CHECK(throws_code([&] { Engine(served_model(), options); }, ErrorCode::invalid_argument));
  options = small();
  options.context = 1 << 20;
  CHECK(throws_code([&] { Engine(served_model(), options); }, ErrorCode::invalid_argument));
  EngineJob empty;
  CHECK_FALSE(empty);
  CHECK(empty.done());
  CHECK_THROWS_AS(empty.result(), Error);
}

TEST_CASE("the queue is bounded, and its places count down", "[runtime]") {
  EngineOptions options = long_context(1);
  options.max_queued = 2;
  Engine engine(served_model(), options);
  Gate gate;
  EngineJob running = engine.submit(gate.request());
  gate.wait_until_entered();
  EngineJob first = engine.submit(request_of(some_prompt(4, 2), greedy_options(3)));
  EngineJob second = engine.submit(request_of(some_prompt(4, 3), greedy_options(3)));
  CHECK(running.queue_position() == 0);
  CHECK(first.queue_position() == 1);
  CHECK(second.queue_position() == 2);
  CHECK(throws_code([&] { engine.submit(endless()); }, ErrorCode::busy));
  CHECK(engine.counters().refused == 1);
  CHECK(engine.counters().queued == 2);
  running.cancel();
  gate.open();
  CHECK(running.result().generation.finish == FinishReason::cancelled);
  CHECK(second.result().generation.finish == FinishReason::length);
  CHECK(first.done() == false);  // its text was not taken
  CHECK(first.result().generation.tokens.size() == 3);
  CHECK(first.queue_position() == 0);
  CHECK(second.result().queue_seconds >= first.result().queue_seconds);
}

TEST_CASE("cancels queued, running and dropped requests", "[runtime]") {
  Engine engine(served_model(), long_context(1));
  Gate gate;
  EngineJob running = engine.submit(gate.request());
  gate.wait_until_entered();
  EngineRequest by_token = endless(2);
  const CancelToken token = by_token.generate.cancel;
  EngineJob waits = engine.submit(std::move(by_token));
  EngineJob waits_too = engine.submit(endless(3));
  { EngineJob dropped = engine.submit(endless(4)), copy = dropped; }
  waits_too.cancel();
  token.cancel();
  running.cancel();
  gate.open();
  for (EngineJob* job : {&running, &waits, &waits_too})
    CHECK(job->result().generation.finish == FinishReason::cancelled);
  CHECK(waits.result().generation.tokens.empty());
  // The place is free, and the text so far was not lost.
  CHECK_FALSE(running.result().generation.text.empty());
  EngineJob next = engine.submit(request_of(some_prompt(9, 1), greedy_options(4)));
  CHECK(next.result().generation.tokens.size() == 4);
  CHECK(engine.counters().cancelled == 4);
  CHECK(engine.counters().finished == 1);
}

TEST_CASE("a prompt request returns scores and the hidden state of a session", "[runtime]") {
  Engine engine(served_model(), small());
  const std::vector<Token> prompt = some_prompt(40, 5), ids{3, 1, 4, 200};
  Session session(served_model());
  session.prefill(prompt);
  std::vector<float> expected(4);
  session.logits_for(ids, expected);
  EngineJob reply = engine.submit(request_of(some_prompt(20, 6), greedy_options(50)));
  for (int i = 0; i < 2; ++i) {  // the second time from the prefix cache
    PromptRequest request;
    request.prompt = prompt;
    request.continuations = Continuations({{3}, {1}, {4}, {200}});
    request.hidden = true;
    EngineJob job = engine.submit(std::move(request));
    CHECK(job.result().cached_tokens == (i == 0 ? 0 : 40));
    CHECK(job.result().first_token_seconds <= job.result().total_seconds);
    CHECK(std::ranges::equal(job.result().scores, expected));
    CHECK(std::ranges::equal(job.result().hidden, session.hidden()));
    CHECK(job.done());
  }
  EngineRequest worse = request_of(prompt, greedy_options(5));
  worse.on_text = [](std::string_view) -> bool { throw std::runtime_error("text"); };
  CHECK_THROWS_WITH(engine.submit(std::move(worse)).result(), "text");
  CHECK(reply.result().generation.tokens ==
        alone(served_model(), engine.options(), some_prompt(20, 6), greedy_options(50)).tokens);
  CHECK(engine.counters().failed == 1);
}

TEST_CASE("high-priority requests overtake long replies without starving them", "[runtime]") {
  Engine engine(served_model(), long_context(1));
  Gate gate;
  EngineJob reply = engine.submit(gate.request());
  gate.wait_until_entered();
  EngineJob waits = engine.submit(request_of(some_prompt(300, 9), greedy_options(8)));
  const auto ask = [&](unsigned salt) {
    return engine.submit(request_of(some_prompt(30, salt), greedy_options(2), Priority::high));
  };
  EngineJob quick = ask(1), quick_too = ask(2), quick_third = ask(3);
  gate.open();
  CHECK(quick.result().generation.tokens.size() == 2);
  CHECK(quick_third.result().generation.tokens.size() == 2);
  reply.cancel();
  // A stream of them that ends only when the waiting reply has.
  std::vector<EngineJob> stream;
  for (unsigned salt = 10; waits.next(std::chrono::milliseconds(0)).has_value() || !waits.done(); ++salt) {
    if (stream.size() < 20) stream.push_back(ask(salt));
    if (stream.size() >= 20) {
      stream.front().result();
      stream.erase(stream.begin());
    }
  }
  CHECK(waits.result().generation.tokens.size() == 8);
}

TEST_CASE("draining refuses new requests and waits for the old", "[runtime]") {
  Engine engine(served_model(), long_context(2));
  EngineJob job = engine.submit(request_of(some_prompt(9, 1), greedy_options(20)));
  CHECK(engine.drain(std::chrono::hours(1)));
  CHECK(job.result().generation.tokens.size() == 20);
  CHECK(throws_code([&] { engine.submit(endless()); }, ErrorCode::busy));
  const std::vector<Token> fixed{1, 2};
  CHECK(throws_code([&] { engine.pin(fixed); }, ErrorCode::busy));
  CHECK(engine.drain(std::chrono::milliseconds(0)));
}

TEST_CASE("a drain cancels after its time, and so does the destructor", "[runtime]") {
  EngineJob kept, waiting;
  {
    Engine engine(served_model(), long_context(1));
    // A queued request cannot run while the gate is closed, so the drain must cancel it.
    Gate gate;
    EngineJob job = engine.submit(gate.request());
    EngineJob queued = engine.submit(request_of(some_prompt(9, 1), greedy_options(4)));
    gate.wait_until_entered();
    std::thread opener([&] {
      while (!throws_code([&] { engine.submit(endless()); }, ErrorCode::busy)) std::this_thread::yield();
      gate.open();
    });
    CHECK_FALSE(engine.drain(std::chrono::milliseconds(0)));
    opener.join();
    CHECK(job.result().generation.finish == FinishReason::cancelled);
    CHECK(queued.result().generation.finish == FinishReason::cancelled);
    CHECK(queued.result().generation.tokens.empty());
  }
  {
    Engine engine(served_model(), long_context(1));
    kept = engine.submit(endless());
    waiting = engine.submit(endless(2));
  }
  CHECK(waiting.result().generation.finish == FinishReason::cancelled);
  kept.result();
  kept.cancel();  // the engine is gone
}

TEST_CASE("the longest waits are waits without a limit", "[runtime]") {
  constexpr auto forever = std::chrono::milliseconds::max();
  for (const bool background : {true, false}) {
    EngineOptions options = small();
    options.background = background;
    Engine engine(served_model(), options);
    EngineJob job = engine.submit(request_of(some_prompt(9, 1), greedy_options(20)));
    std::string text;
    int calls = 0;
    while (const auto chunk = job.next(forever)) text += chunk->text, ++calls;
    CHECK(calls <= 21);
    CHECK(job.done());
    CHECK(text == job.result().generation.text);
    EngineJob left = engine.submit(request_of(some_prompt(9, 2), greedy_options(20)));
    CHECK(engine.drain(forever));
    CHECK(left.result().generation.tokens.size() == 20);
    engine.drain();
  }
}

TEST_CASE("an inline engine computes in the threads that wait", "[runtime]") {
  EngineOptions options = small(3);
  options.background = false;
  Engine engine(served_model(), options);
  std::vector<EngineJob> jobs;
  for (unsigned salt = 0; salt < 6; ++salt)
    jobs.push_back(
        engine.submit(request_of(some_prompt(20 + static_cast<int>(salt), salt), greedy_options(10))));
  CHECK(engine.counters().passes == 0);
  CHECK(jobs[5].queue_position() == 6);
  CHECK_FALSE((jobs[0].next(std::chrono::milliseconds(0)).has_value() && engine.counters().passes == 0));
  CHECK(engine.counters().passes >= 1);
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < jobs.size(); ++i) readers.emplace_back([&, i] { jobs[i].result(); });
  for (std::thread& reader : readers) reader.join();
  for (unsigned salt = 0; salt < 6; ++salt)
    CHECK(jobs[salt].result().generation.tokens ==
          alone(served_model(), options, some_prompt(20 + static_cast<int>(salt), salt), greedy_options(10))
              .tokens);
  EngineJob unfinished;
  {
    Engine other(served_model(), options);
    unfinished = other.submit(endless());
  }
  CHECK(unfinished.result().generation.finish == FinishReason::cancelled);
}

TEST_CASE("continuations are scored like forward passes over each of them", "[runtime]") {
  const std::vector<std::vector<Token>> sequences{{5}, {5, 6}, {5, 6, 7}, {9, 1, 2, 3}, {9, 1, 4}, {200}};
  const std::vector<Token> prompt = some_prompt(250, 8);  // branches begin at a page's end
  const auto size = static_cast<std::size_t>(served_model().tokenizer().size());
  std::vector<double> expected;
  for (const auto& sequence : sequences) {
    Session session(served_model());
    std::vector<Token> tokens = prompt;
    tokens.insert(tokens.end(), sequence.begin(), sequence.end());
    double score = 0;
    session.forward_all_logits(tokens, [&](int i, std::span<const float> logits) {
      const auto at = static_cast<std::size_t>(i) + 1;
      if (at < prompt.size() || at >= tokens.size()) return;
      score += static_cast<double>(Sampler::logprob(logits.first(size), tokens[at]));
    });
    expected.push_back(score);
  }
  for (const bool background : {true, false}) {
    EngineOptions options = small(2);
    options.background = background;
    Engine engine(served_model(), options);
    EngineJob company = engine.submit(request_of(some_prompt(30, 2), greedy_options(12)));
    std::vector<EngineJob> jobs;
    for (int i = 0; i < 3; ++i) {
      PromptRequest request;
      request.prompt = prompt;
      request.continuations = Continuations(sequences);
      jobs.push_back(engine.submit(std::move(request)));
    }
    for (EngineJob& job : jobs) {
      const std::vector<double>& scores = job.result().scores;
      REQUIRE(scores.size() == sequences.size());
      for (std::size_t i = 0; i < scores.size(); ++i)
        CHECK(scores[i] - scores[0] == Approx(expected[i] - expected[0]).margin(1e-4));
      CHECK(scores == jobs[0].result().scores);
    }
    CHECK(company.result().generation.tokens ==
          alone(served_model(), options, some_prompt(30, 2), greedy_options(12)).tokens);
  }
  CHECK(throws_code([] { Continuations(std::vector<std::vector<Token>>{}); }, ErrorCode::invalid_argument));
  CHECK(throws_code(
      [] {
        Continuations(std::vector<std::vector<Token>>{{1}, {}});
      },
      ErrorCode::invalid_argument));
  CHECK(throws_code([] { Continuations({{1, 2}, {3}, {1, 2}}); }, ErrorCode::invalid_argument));
  Engine engine(served_model(), small());
  PromptRequest outside;
  outside.prompt = {1};
  outside.continuations = Continuations(std::vector<std::vector<Token>>{{1 << 20}});
  CHECK(throws_code([&] { engine.submit(std::move(outside)); }, ErrorCode::invalid_argument));
}
