#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <thread>

#include "base/utf8.h"
#include "qwen/qwen.h"

using qwen::FinishReason;
using qwen::GenerateOptions;
using qwen::GenerateResult;
using qwen::Message;
using qwen::SamplingOptions;
using qwen::Session;
using qwen::Token;

namespace {

// What tests/data/tiny.gguf answers to anything.
const std::string kAnswer = "你好！我很好😀，今天天气不错。";

const qwen::Model& tiny() {
  static const qwen::Model model = [] {
    qwen::LoadOptions options;
    options.threads = 1;
    return qwen::Model::load(QWEN_TEST_DATA "/tiny.gguf", options);
  }();
  return model;
}

std::vector<Token> encode(const char* text) {
  return tiny().tokenizer().encode(text);
}

std::vector<Token> chat_prompt() {
  const Message message{"user", "今天天气怎么样？"};
  return tiny().chat_template().render({&message, 1});
}

GenerateOptions greedy() {
  GenerateOptions options;
  options.sampling = qwen::SamplingOptions{.temperature = 0};
  return options;
}

Session session(int context = 512) {
  qwen::SessionOptions options;
  options.context = context;
  return Session(tiny(), options);
}

}  // namespace

TEST_CASE("generate answers, streams whole characters and ends with the turn", "[runtime]") {
  Session s = session();
  const auto prompt = chat_prompt();
  std::vector<std::string> pieces;
  std::string text;
  const GenerateResult result = qwen::generate(s, prompt, greedy(), [&](std::string_view piece) {
    CHECK(qwen::is_valid_utf8(piece));
    CHECK_FALSE(piece.empty());
    pieces.emplace_back(piece);
    text += piece;
    return true;
  });
  CHECK(result.text == kAnswer);
  CHECK(text == kAnswer);
  CHECK(result.finish == FinishReason::end_of_turn);
  CHECK(result.tokens == encode(kAnswer.c_str()));
  CHECK(pieces.size() < result.tokens.size());  // one of its characters is made of two tokens
  CHECK(result.prompt_tokens == static_cast<int>(prompt.size()));
  // The end of the turn was drawn from the last token's logits: all generated tokens are in the cache.
  CHECK(s.position() == static_cast<int>(prompt.size() + result.tokens.size()));
  REQUIRE(result.token_seconds.size() == result.tokens.size());
  CHECK(std::is_sorted(result.token_seconds.begin(), result.token_seconds.end()));
  CHECK(result.first_token_seconds == result.token_seconds.front());
  CHECK(result.prefill_seconds <= result.first_token_seconds);
  CHECK(result.decode_seconds == Approx(result.token_seconds.back() - result.token_seconds.front()));
}

TEST_CASE("max_new_tokens ends with length, and the next call goes on", "[runtime]") {
  GenerateOptions options = greedy();
  options.max_new_tokens = 5;
  Session s = session();
  GenerateResult result = qwen::generate(s, encode("A"), options);
  CHECK(result.text == "BCDEF");
  CHECK(result.finish == FinishReason::length);
  CHECK(s.position() == 5);  // A to E: F was not fed back
  result = qwen::generate(s, {&result.tokens.back(), 1}, options);
  CHECK(result.text == "GHIJK");
  options.max_new_tokens = 0;
  result = qwen::generate(s, encode("X"), options);
  CHECK(result.text.empty());
  CHECK(result.tokens.empty());
  CHECK(result.finish == FinishReason::length);
  CHECK(result.prompt_tokens == 1);
}

TEST_CASE("stop strings end the text wherever they fall", "[runtime]") {
  const auto run = [](std::vector<std::string> stops) {
    Session s = session();
    GenerateOptions options = greedy();
    options.stop = std::move(stops);
    std::string streamed;
    const auto result = qwen::generate(s, chat_prompt(), options, [&](std::string_view piece) {
      streamed += piece;
      return true;
    });
    CHECK(streamed == result.text);
    return std::pair(result.text, result.finish);
  };
  CHECK(run({"😀"}) == std::pair(std::string("你好！我很好"), FinishReason::stop_string));
  CHECK(run({"！我"}) ==
        std::pair(std::string("你好"), FinishReason::stop_string));  // over two tokens and more
  CHECK(run({"天气", "今天天气"}) == std::pair(std::string("你好！我很好😀，"), FinishReason::stop_string));
  CHECK(run({"你好"}) == std::pair(std::string(), FinishReason::stop_string));
  CHECK(run({"不错。好"}) == std::pair(kAnswer, FinishReason::end_of_turn));  // held back, then given out
  CHECK(run({"never"}) == std::pair(kAnswer, FinishReason::end_of_turn));
}

TEST_CASE("a full context is an ordinary end, a prompt that does not fit an error", "[runtime]") {
  GenerateOptions options = greedy();
  Session s = session(8);
  const auto result = qwen::generate(s, encode("A"), options);
  CHECK(result.finish == FinishReason::context_full);
  CHECK(result.text == "BCDEFGHI");  // 8 tokens are in the cache, the ninth came from the eighth's logits
  CHECK(s.position() == 8);
  s.rewind(3);
  try {
    qwen::generate(s, encode("QRSTUVW"), options);
    FAIL("no error");
  } catch (const qwen::Error& error) {
    CHECK(error.code() == qwen::ErrorCode::context_full);
  }
  CHECK(s.position() == 3);
  CHECK(qwen::generate(s, encode("QRSTU"), options).text == "V");
}

TEST_CASE("generation is cancelled by the callback, by a token raised before and by another thread",
          "[runtime]") {
  Session s = session(100000);
  GenerateOptions options = greedy();
  options.max_new_tokens = 1 << 30;
  int calls = 0;
  auto result = qwen::generate(s, encode("A"), options, [&](std::string_view) { return ++calls < 3; });
  CHECK(result.finish == FinishReason::cancelled);
  CHECK(result.text == "BCD");
  CHECK(calls == 3);

  s.rewind(0);
  options.cancel.cancel();
  result = qwen::generate(s, encode("A"), options);
  CHECK(result.finish == FinishReason::cancelled);
  CHECK(result.tokens.empty());

  s.rewind(0);
  options.cancel = {};
  std::thread other;
  result = qwen::generate(s, encode("A"), options, [&](std::string_view) {
    if (!other.joinable()) other = std::thread([cancel = options.cancel] { cancel.cancel(); });
    return true;
  });
  other.join();
  CHECK(result.finish == FinishReason::cancelled);
  CHECK_FALSE(result.tokens.empty());
}

TEST_CASE("a long prompt can be cancelled, and the session's own callback stays", "[runtime]") {
  qwen::SessionOptions session_options;
  session_options.context = 1024;
  session_options.prefill_chunk = 16;
  Session s(tiny(), session_options);
  std::vector<Token> prompt;
  while (prompt.size() < 200) prompt.push_back(encode("A")[0]);
  GenerateOptions options = greedy();
  int batches = 0;
  s.set_prefill_callback([&](int, int total) {
    CHECK(total == 200);
    if (++batches == 3) options.cancel.cancel();
    return true;
  });
  auto result = qwen::generate(s, prompt, options);
  CHECK(result.finish == FinishReason::cancelled);
  CHECK(result.prompt_tokens == s.position());
  CHECK(s.position() < 200);
  CHECK(s.position() >= 48);
  const auto mine = s.set_prefill_callback({});
  CHECK(static_cast<bool>(mine));
}

TEST_CASE("end tokens are ordinary where generation shall not stop at them", "[runtime]") {
  Session s = session();
  GenerateOptions options = greedy();
  options.stop_at_end_of_turn = false;
  options.max_new_tokens = 14;
  const auto result = qwen::generate(s, chat_prompt(), options);
  CHECK(result.finish == FinishReason::length);
  REQUIRE(result.tokens.size() == 14);
  CHECK(tiny().tokenizer().is_control(result.tokens[12]));
  CHECK(result.text.compare(0, kAnswer.size(), kAnswer) == 0);  // a control token adds no text
}

TEST_CASE("log-probabilities stand beside each token", "[runtime]") {
  Session s = session();
  GenerateOptions options = greedy();
  options.logprobs = 3;
  const auto result = qwen::generate(s, chat_prompt(), options);
  REQUIRE(result.logprobs.size() == result.tokens.size());
  REQUIRE(result.alternatives.size() == result.tokens.size());
  for (std::size_t i = 0; i < result.tokens.size(); ++i) {
    CHECK(result.logprobs[i].token == result.tokens[i]);
    REQUIRE(result.alternatives[i].size() == 3);
    CHECK(result.alternatives[i][0].token == result.tokens[i]);  // greedy takes the first
    CHECK(result.alternatives[i][0].logprob == result.logprobs[i].logprob);
    CHECK(result.alternatives[i][1].logprob <= result.alternatives[i][0].logprob);
    CHECK(result.logprobs[i].logprob <= 0);
  }
  options.logprobs = 0;
  s.rewind(0);
  const auto alone = qwen::generate(s, chat_prompt(), options);
  CHECK(alone.logprobs.size() == alone.tokens.size());
  CHECK(alone.alternatives.at(0).empty());
}

TEST_CASE("the same seed gives the same text, whatever the prompt's batches", "[runtime]") {
  GenerateOptions options;
  options.sampling = qwen::SamplingOptions{.temperature = 3, .top_k = 0, .top_p = 1, .seed = 99};
  options.max_new_tokens = 60;
  std::vector<std::vector<Token>> runs;
  for (const int batch : {512, 7, 1}) {
    qwen::SessionOptions session_options;
    session_options.context = 512;
    session_options.prefill_chunk = batch;
    Session s(tiny(), session_options);
    runs.push_back(qwen::generate(s, chat_prompt(), options).tokens);
  }
  CHECK(runs[0] == runs[1]);
  CHECK(runs[0] == runs[2]);
  options.sampling->seed = 100;
  Session s = session();
  CHECK(qwen::generate(s, chat_prompt(), options).tokens != runs[0]);
}

TEST_CASE("the repetition penalty sees what the session held before", "[runtime]") {
  GenerateOptions options = greedy();
  options.max_new_tokens = 1;
  options.sampling->repetition_penalty = 1e6f;
  Session s = session();
  s.prefill(encode("BA"));
  CHECK(qwen::generate(s, encode("A"), options).text != "B");
  s.rewind(0);
  options.sampling->repetition_penalty = 1;
  s.prefill(encode("BA"));
  CHECK(qwen::generate(s, encode("A"), options).text == "B");
}

TEST_CASE("generate refuses what cannot be", "[runtime]") {
  Session s = session();
  GenerateOptions options = greedy();
  CHECK_THROWS_AS(qwen::generate(s, {}, options), qwen::Error);
  options.max_new_tokens = -1;
  CHECK_THROWS_AS(qwen::generate(s, encode("A"), options), qwen::Error);
  options = greedy();
  options.stop = {""};
  CHECK_THROWS_AS(qwen::generate(s, encode("A"), options), qwen::Error);
  options = greedy();
  options.sampling->top_p = 2;
  CHECK_THROWS_AS(qwen::generate(s, encode("A"), options), qwen::Error);
  const Token beyond = 1 << 20;
  CHECK_THROWS_AS(qwen::generate(s, {&beyond, 1}, greedy()), qwen::Error);
  CHECK(s.position() == 0);
}

TEST_CASE("what on_text throws comes out of generate", "[runtime]") {
  Session s = session();
  CHECK_THROWS_AS(qwen::generate(s, encode("A"), greedy(),
                                 [](std::string_view) -> bool { throw std::runtime_error("enough"); }),
                  std::runtime_error);
}
