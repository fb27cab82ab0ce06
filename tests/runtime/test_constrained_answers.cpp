// Constraints and thoughts in the generation loop.
#include <catch2/catch.hpp>
#include <cmath>

#include "constraints/constraint_state.h"
#include "qwen/thinking.h"
#include "runtime/engine_model.h"
#include "runtime/state.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// Random weights: the model never wants what a constraint wants.
const Model& shared_model() {
  static const Model loaded = [] {
    static const TestFolder folder("constrained-model");
    TinyModel tiny;
    tiny.type = TensorType::q8_0;
    tiny.spare_rows = 3;
    tiny.thinks = true;
    return Model::load(write_tiny_model(tiny, folder / "tiny.gguf"));
  }();
  return loaded;
}

const std::vector<Constraint>& some_constraints() {
  static const std::vector<std::string> words{"hello", "hell", "the end", "你好"};
  static const std::vector<Constraint> list{
      Constraint::json(),
      Constraint::json_schema(
          R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":150},)"
          R"("tags":{"type":"array","items":{"enum":["red","green","blue"]},"maxItems":3}},"required":["name","age"],)"
          R"("additionalProperties":false})"),
      Constraint::regex("[a-c]{3,9}(-[0-9]{2}){1,3}"),
      Constraint::choice(words),
  };
  return list;
}

std::vector<SamplingOptions> samplings() {
  return {SamplingOptions{.temperature = 0}, SamplingOptions{.temperature = 0, .repetition_penalty = 1.3f},
          SamplingOptions{.temperature = 2, .top_k = 0, .seed = 5},
          SamplingOptions{.temperature = 1.5f, .top_k = 8, .repetition_penalty = 1.2f, .seed = 6}};
}

GenerateOptions constrained(const Constraint& constraint, const SamplingOptions& sampling, int tokens) {
  GenerateOptions options;
  options.max_new_tokens = tokens;
  options.sampling = sampling;
  options.constraint = constraint;
  return options;
}

constraints::ConstraintState state_for(const Constraint& constraint, int tokens) {
  const runtime::ModelState& m = runtime::state_of(shared_model());
  return {constraint, m.token_trie(), m.tokenizer, m.end_of_turn, tokens};
}

int shortest(const Constraint& constraint) {
  return static_cast<int>(state_for(constraint, 10'000).shortest_ending());
}

// The definition: all logits, those that are not allowed minus infinity; what is forced is not sampled.
std::vector<Token> by_masking(const Constraint& constraint, const SamplingOptions& sampling, int tokens,
                              const std::vector<Token>& prompt) {
  Session session(shared_model());
  Sampler sampler(sampling);
  sampler.accept_prompt(prompt);
  constraints::ConstraintState state = state_for(constraint, tokens);
  std::vector<Token> out, next = prompt;
  while (!state.must_end()) {
    std::vector<Token> chosen = state.forced();
    for (const Token token : chosen) sampler.accept(token);
    if (chosen.empty()) {
      const std::span<const float> logits = session.forward(next);
      next.clear();
      std::vector<float> masked(logits.begin(), logits.begin() + shared_model().tokenizer().size());
      for (std::size_t i = 0; i < masked.size(); ++i)
        if (!state.allows(static_cast<Token>(i))) masked[i] = -INFINITY;
      chosen.push_back(sampler.sample(masked));
      if (shared_model().is_end_of_turn(chosen[0])) break;
    }
    for (const Token token : chosen) {
      state.accept(token);
      out.push_back(token);
      next.push_back(token);
    }
  }
  return out;
}

struct SplitAnswer {
  std::string reasoning, text;
};

SplitAnswer split(const GenerateResult& result, bool begun) {
  ThoughtSplitter splitter(begun);
  auto parts = splitter.push(result.text);
  const auto rest = splitter.finish();
  return {parts.reasoning + rest.reasoning, parts.answer + rest.answer};
}

}  // namespace

TEST_CASE("a constrained answer is the one of masked logits, alone and in a batch", "[runtime]") {
  std::vector<EngineRequest> requests;
  std::vector<std::vector<Token>> expected;
  for (std::size_t c = 0; c < some_constraints().size(); ++c) {
    for (const SamplingOptions& sampling : samplings()) {
      const std::vector<Token> prompt = some_prompt(20, static_cast<unsigned>(3 + c));
      const GenerateOptions options = constrained(some_constraints()[c], sampling, 80);
      expected.push_back(by_masking(some_constraints()[c], sampling, 80, prompt));
      Session session(shared_model());
      const GenerateResult found = generate(session, prompt, options);
      CAPTURE(c, sampling.temperature, found.text);
      CHECK(found.tokens == expected.back());
      CHECK((found.finish == FinishReason::end_of_turn || found.finish == FinishReason::length));
      CHECK(some_constraints()[c].accepts(found.text));
      requests.push_back(request_of(prompt, options));
    }
  }
  for (const bool background : {false, true}) {
    EngineOptions options;
    options.background = background;
    options.max_sequences = 5;
    Engine engine(shared_model(), options);
    std::vector<EngineJob> jobs;
    for (const EngineRequest& request : requests) jobs.push_back(engine.submit(request));
    for (std::size_t i = 0; i < jobs.size(); ++i) CHECK(jobs[i].result().generation.tokens == expected[i]);
  }
}

TEST_CASE("a constrained answer with log-probabilities has those of the model", "[runtime]") {
  const std::vector<Token> prompt = some_prompt(20, 3);
  GenerateOptions options = constrained(some_constraints()[1], {.temperature = 0}, 60);
  options.logprobs = 2;
  Session session(shared_model());
  const GenerateResult found = generate(session, prompt, options);
  CHECK(some_constraints()[1].accepts(found.text));
  REQUIRE(found.logprobs.size() == found.tokens.size());
  Session other(shared_model());
  std::span<const float> logits = other.forward(prompt);
  for (std::size_t i = 0; i < found.tokens.size(); ++i) {
    const auto real = logits.first(static_cast<std::size_t>(shared_model().tokenizer().size()));
    CHECK(found.logprobs[i].logprob == Sampler::logprob(real, found.tokens[i]));
    CHECK(found.alternatives[i][0].token == Sampler::top_logprobs(real, 1)[0].token);
    logits = other.forward({&found.tokens[i], 1});
  }
}

TEST_CASE("the token limit never breaks a constrained answer", "[runtime]") {
  for (const Constraint& constraint : some_constraints()) {
    const int least = shortest(constraint);
    for (int extra = 0; extra < 12; ++extra) {
      for (const SamplingOptions& sampling : samplings()) {
        Session session(shared_model());
        const GenerateResult found = generate(session, some_prompt(10, static_cast<unsigned>(extra)),
                                              constrained(constraint, sampling, least + extra));
        CAPTURE(least, extra, found.text);
        CHECK(constraint.accepts(found.text));
        CHECK(static_cast<int>(found.tokens.size()) <= least + extra);
        CHECK((found.finish == FinishReason::end_of_turn || found.finish == FinishReason::length));
      }
    }
    Engine engine(shared_model());
    CHECK_THROWS_WITH(engine.submit(request_of(some_prompt(10, 1), constrained(constraint, {}, least - 1))),
                      Catch::Contains("the shortest text needs " + std::to_string(least) + " tokens"));
    CHECK(engine.counters().passes == 0);
  }
}

TEST_CASE("the end of the context never breaks a constrained answer", "[runtime]") {
  const Constraint& constraint = some_constraints()[1];
  const int least = shortest(constraint), context = 64;
  for (int room = least - 2; room < least + 8; ++room) {
    SessionOptions session_options;
    session_options.context = context;
    Session session(shared_model(), session_options);
    const std::vector<Token> prompt = some_prompt(context - room, 9);
    const GenerateOptions options = constrained(constraint, {.temperature = 0}, 500);
    CAPTURE(room, least);
    if (room + 1 < least) {  // the last token needs no room
      CHECK_THROWS_WITH(generate(session, prompt, options), Catch::Contains("constraint"));
      CHECK(session.position() == 0);
      continue;
    }
    const GenerateResult found = generate(session, prompt, options);
    CHECK(constraint.accepts(found.text));
    CHECK(session.position() <= context);
  }
}

TEST_CASE("a constraint begins behind the thought, which leaves room for it", "[runtime]") {
  for (const Thought thought : {Thought::may_begin, Thought::begun}) {
    for (const int limit : {-1, 0, 1, 7}) {
      for (const SamplingOptions& sampling : samplings()) {
        for (const int tokens : {150, 151, 190, 260}) {
          GenerateOptions options = constrained(some_constraints()[1], sampling, tokens);
          options.thought = thought;
          options.thought_tokens = limit;
          Session session(shared_model());
          const GenerateResult found = generate(session, some_prompt(10, 5), options);
          const SplitAnswer parts = split(found, thought == Thought::begun);
          CAPTURE(limit, tokens, found.text);
          CHECK(some_constraints()[1].accepts(parts.text));
          CHECK(found.finish == FinishReason::end_of_turn);
          CHECK(static_cast<int>(found.tokens.size()) <= tokens);
          CHECK(found.text.starts_with("<think>\n") == (thought == Thought::may_begin));
          CHECK(found.text.find("</think>\n\n") != std::string::npos);
          if (limit == 0) CHECK(parts.reasoning.empty());
        }
      }
    }
  }
  GenerateOptions options = constrained(some_constraints()[1], {}, 60);
  options.thought = Thought::begun;
  Session session(shared_model());
  CHECK_THROWS_WITH(generate(session, some_prompt(10, 5), options), Catch::Contains("a thought"));
}

TEST_CASE("a limited thought ends, and the answer goes on", "[runtime]") {
  for (const int limit : {0, 3, 20}) {
    GenerateOptions options = greedy_options(200);
    options.sampling = SamplingOptions{.temperature = 1, .top_k = 0, .seed = 3};
    options.thought = Thought::begun;
    options.thought_tokens = limit;
    Session session(shared_model());
    const GenerateResult found = generate(session, some_prompt(10, 5), options);
    CAPTURE(limit, found.text);
    const std::size_t cut =
        found.text.find(limit == 0 ? "\n</think>\n\n" : "\n\nConsidering the limited time by the user");
    REQUIRE(cut != std::string::npos);
    CHECK(found.tokens.size() == 200);
    const auto before = shared_model().tokenizer().encode(found.text.substr(0, cut)).size();
    CHECK((limit == 0) == (before == 0));
    CHECK(found.text.size() > found.text.find("</think>\n\n") + 20);  // the answer
  }
  // The model may begin a thought, but does not: nothing is changed.
  GenerateOptions plain = greedy_options(50), limited = plain;
  limited.thought = Thought::may_begin;
  limited.thought_tokens = 0;
  Session a(shared_model()), b(shared_model());
  CHECK(generate(a, some_prompt(10, 5), plain).tokens == generate(b, some_prompt(10, 5), limited).tokens);
}

TEST_CASE("options of constraints and thoughts that do not fit are refused", "[runtime]") {
  const auto refused = [](const GenerateOptions& options, const Model& model = shared_model()) {
    Session session(model);
    try {
      generate(session, some_prompt(5, 1), options);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  GenerateOptions options = constrained(some_constraints()[0], {}, 20);
  options.stop_at_end_of_turn = false;
  CHECK(refused(options).find("stop_at_end_of_turn") != std::string::npos);
  options = greedy_options(5);
  options.thought_tokens = 3;
  CHECK(refused(options).find("thought_tokens") != std::string::npos);
  options.thought_tokens = -2;
  CHECK(refused(options).find("found -2") != std::string::npos);
  options = constrained(some_constraints()[0], {}, 20);
  options.min_new_tokens = 2;
  CHECK(refused(options).find("min_new_tokens") != std::string::npos);
  options = greedy_options(5);
  options.stop_tokens = {100'000};
  CHECK(refused(options).find("stop_tokens") != std::string::npos);
  options = constrained(Constraint::json_schema("false"), {}, 20);
  CHECK(refused(options).find("no text satisfies") != std::string::npos);
  options = greedy_options(5);
  options.thought = Thought::begun;
  CHECK(refused(options, random_model()).empty());  // nothing must be ended
  options.thought_tokens = 3;
  CHECK(refused(options, random_model()).find("no token </think>") != std::string::npos);
}

TEST_CASE("a constrained answer that is cut but might go on ends by its length", "[runtime]") {
  const Constraint digits = Constraint::regex("[0-9]+");
  GenerateOptions options = constrained(digits, {.temperature = 1, .seed = 2}, 6);
  options.sampling->logit_bias = {{shared_model().tokenizer().size() - 3, -100.0f}};  // <|im_end|>
  Session session(shared_model());
  const GenerateResult found = generate(session, some_prompt(10, 5), options);
  CHECK(found.finish == FinishReason::length);
  CHECK(digits.accepts(found.text));
  CHECK(found.tokens.size() == 6);
}

TEST_CASE("no end token comes before min_new_tokens, and stop_tokens end an answer", "[runtime]") {
  const Token end = *shared_model().tokenizer().find_added_token("<|im_end|>");
  for (const float temperature : {0.0f, 1.0f}) {
    GenerateOptions options = greedy_options(30);
    options.stop_at_end_of_turn = true;
    options.sampling = SamplingOptions{.temperature = temperature, .logit_bias = {{end, 100.0f}}, .seed = 4};
    Session a(shared_model()), b(shared_model()), c(shared_model());
    CHECK(generate(a, some_prompt(10, 5), options).tokens.empty());
    options.min_new_tokens = 7;
    const GenerateResult found = generate(b, some_prompt(10, 5), options);
    CHECK(found.tokens.size() == 7);
    CHECK(found.finish == FinishReason::end_of_turn);
    options.min_new_tokens = 0;
    options.sampling->logit_bias = {{65, 100.0f}};
    options.stop_tokens = {65};
    const GenerateResult stopped = generate(c, some_prompt(10, 5), options);
    CHECK(stopped.tokens.empty());
    CHECK(stopped.finish == FinishReason::end_of_turn);
  }
}

TEST_CASE("a stop text ends a constrained answer before it is complete", "[runtime]") {
  GenerateOptions options = constrained(some_constraints()[1], {.temperature = 0}, 80);
  options.stop = {"\"age\""};
  Session session(shared_model());
  const GenerateResult found = generate(session, some_prompt(10, 5), options);
  CHECK(found.finish == FinishReason::stop_string);
  CHECK(some_constraints()[1].allows_prefix(found.text));
}
