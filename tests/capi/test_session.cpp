// The C interface: sessions and what they generate.
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "capi/calls.h"
#include "qwen/qwen.h"

using namespace qwen::test::capi;

TEST_CASE("C: generates what C++ generates, streamed, and stops", "[capi]") {
  const auto model = tiny();
  const auto prompt = render(model, "你好");
  qwen_error error;
  qwen_sampling greedy{};
  greedy.struct_size = sizeof greedy;
  ok(qwen_sampling_init(&greedy, model.get(), &error), error);
  greedy.temperature = 0;
  qwen_generate_options options{};
  options.struct_size = sizeof options;
  options.sampling = &greedy;
  std::string streamed;
  options.user = &streamed;
  options.on_text = [](void* user, const char* text, std::size_t length) -> std::int32_t {
    static_cast<std::string*>(user)->append(text, length);
    return 0;
  };
  {
    const auto session = session_of(model);
    qwen_reply* made = nullptr;
    ok(qwen_generate(session.get(), prompt.data(), prompt.size(), &options, &made, &error), error);
    const Handle<qwen_reply> reply(made);
    std::size_t length = 0, count = 0;
    CHECK(std::string(qwen_reply_text(reply.get(), &length)) == kAnswer);
    CHECK(length == kAnswer.size());
    CHECK(streamed == kAnswer);
    CHECK(qwen_reply_finish(reply.get()) == QWEN_FINISH_END_OF_TURN);
    REQUIRE(qwen_reply_tokens(reply.get(), &count) != nullptr);
    qwen_timings timings{};
    timings.struct_size = sizeof timings;
    ok(qwen_reply_get_timings(reply.get(), &timings, &error), error);
    CHECK(timings.prompt_tokens == static_cast<int>(prompt.size()));
    CHECK(timings.generated_tokens == static_cast<int>(count));
    CHECK(timings.first_token_seconds > 0);
    CHECK(timings.first_token_seconds >= timings.prefill_seconds);
  }
  {
    const auto session = session_of(model);
    const char* stop = "今天";
    options.stop = &stop;
    options.stop_count = 1;
    qwen_reply* made = nullptr;
    ok(qwen_generate(session.get(), prompt.data(), prompt.size(), &options, &made, &error), error);
    CHECK(std::string(qwen_reply_text(made, nullptr)) == "你好！我很好😀，");
    CHECK(qwen_reply_finish(made) == QWEN_FINISH_STOP_STRING);
    qwen_reply_free(made);
    options.stop_count = 0;
  }
  {
    const auto session = session_of(model);
    options.on_text = [](void*, const char*, std::size_t) -> std::int32_t { return 1; };
    qwen_reply* made = nullptr;
    ok(qwen_generate(session.get(), prompt.data(), prompt.size(), &options, &made, &error), error);
    CHECK(qwen_reply_finish(made) == QWEN_FINISH_CANCELLED);
    qwen_reply_free(made);
  }
  {
    const auto session = session_of(model);
    qwen_cancel* flag = nullptr;
    ok(qwen_cancel_create(&flag, &error), error);
    const Handle<qwen_cancel> cancel(flag);
    options.cancel = flag;
    options.user = flag;
    options.on_text = [](void* user, const char*, std::size_t) -> std::int32_t {
      qwen_cancel_request(static_cast<qwen_cancel*>(user));
      return 0;
    };
    qwen_reply* made = nullptr;
    ok(qwen_generate(session.get(), prompt.data(), prompt.size(), &options, &made, &error), error);
    CHECK(qwen_reply_finish(made) == QWEN_FINISH_CANCELLED);
    CHECK(std::string(qwen_reply_text(made, nullptr)).size() < kAnswer.size());
    qwen_reply_free(made);
  }
}

TEST_CASE("C: nothing that a callback throws leaves the library", "[capi]") {
  const auto model = tiny();
  const auto session = session_of(model);
  const auto prompt = render(model, "你好");
  qwen_generate_options options{};
  options.struct_size = sizeof options;
  options.on_text = [](void*, const char*, std::size_t) -> std::int32_t {
    throw std::runtime_error("from a callback");
  };
  qwen_error error;
  qwen_reply* reply = nullptr;
  CHECK(qwen_generate(session.get(), prompt.data(), prompt.size(), &options, &reply, &error) ==
        QWEN_INTERNAL);
  CHECK(std::string(error.message) == "from a callback");
  CHECK(reply == nullptr);
  options.on_text = [](void*, const char*, std::size_t) -> std::int32_t { throw 1; };
  CHECK(qwen_generate(session.get(), nullptr, 0, &options, nullptr, &error) != QWEN_OK);
}

TEST_CASE("C: sessions go forward, back, and to files", "[capi]") {
  const auto model = tiny();
  const auto prompt = render(model, "你好");
  const auto session = session_of(model);
  const auto other = session_of(model);
  qwen_error error;
  const float* logits = nullptr;
  ok(qwen_session_forward(session.get(), prompt.data(), prompt.size(), &logits, &error), error);
  CHECK(qwen_session_position(session.get()) == static_cast<int>(prompt.size()));
  qwen::Session same(qwen::Model::load(kTiny));
  const auto wanted = same.forward(prompt);
  CHECK(std::memcmp(logits, wanted.data(), wanted.size_bytes()) == 0);

  qwen_snapshot* taken = nullptr;
  ok(qwen_snapshot_create(session.get(), &taken, &error), error);
  const Handle<qwen_snapshot> snapshot(taken);
  ok(qwen_session_rewind(session.get(), 1, &error), error);
  CHECK(qwen_session_position(session.get()) == 1);
  ok(qwen_session_restore(session.get(), snapshot.get(), &error), error);
  CHECK(qwen_session_position(session.get()) == static_cast<int>(prompt.size()));
  const std::string path = "test_capi.session";
  ok(qwen_session_save(session.get(), path.c_str(), &error), error);
  ok(qwen_session_load(other.get(), path.c_str(), &error), error);
  std::remove(path.c_str());
  CHECK(qwen_session_position(other.get()) == static_cast<int>(prompt.size()));
  const std::int32_t next = prompt.front();
  const float *a = nullptr, *b = nullptr;
  ok(qwen_session_forward(session.get(), &next, 1, &a, &error), error);
  ok(qwen_session_forward(other.get(), &next, 1, &b, &error), error);
  CHECK(std::memcmp(a, b, wanted.size_bytes()) == 0);

  CHECK(qwen_session_rewind(session.get(), 1000, &error) == QWEN_INVALID_ARGUMENT);
  const std::int32_t outside = 1 << 30;
  CHECK(qwen_session_forward(session.get(), &outside, 1, &logits, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(logits == nullptr);
  const std::vector<std::int32_t> many(100000, next);
  CHECK(qwen_session_forward(session.get(), many.data(), many.size(), nullptr, &error) == QWEN_CONTEXT_FULL);
  ok(qwen_session_forward(session.get(), &next, 1, nullptr, &error), error);
}

TEST_CASE("C: a handle outlives what it was made from, and models serve many threads", "[capi]") {
  auto model = tiny();
  const auto prompt = render(model, "你好");
  std::vector<Handle<qwen_session>> sessions;
  for (int i = 0; i < 4; ++i) sessions.push_back(session_of(model));
  model.reset();
  std::vector<std::string> texts(sessions.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < sessions.size(); ++i)
      threads.emplace_back([&, i] {
        qwen_sampling greedy{};
        greedy.struct_size = sizeof greedy;
        qwen_sampling_init(&greedy, nullptr, nullptr);
        greedy.temperature = 0;
        qwen_generate_options options{};
        options.struct_size = sizeof options;
        options.sampling = &greedy;
        qwen_reply* reply = nullptr;
        if (qwen_generate(sessions[i].get(), prompt.data(), prompt.size(), &options, &reply, nullptr) ==
            QWEN_OK)
          texts[i] = qwen_reply_text(reply, nullptr);
        qwen_reply_free(reply);
      });
  }
  for (const std::string& text : texts) CHECK(text == kAnswer);
}
