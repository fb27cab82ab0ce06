// The C interface: options whose 0 means a default, and results of calls that fail.
#include <atomic>
#include <string>
#include <thread>

#include "capi/calls.h"

using namespace qwen::test::capi;

TEST_CASE("C: QWEN_ZERO is the number 0", "[capi]") {
  const auto model = tiny();
  qwen_error error;
  qwen_chat_options options{};
  options.struct_size = sizeof options;
  options.max_new_tokens = QWEN_ZERO;
  options.history_turns = QWEN_ZERO;
  qwen_chat* made = nullptr;
  ok(qwen_chat_create(model.get(), nullptr, nullptr, &options, &made, &error), error);
  const Handle<qwen_chat> chat(made);
  qwen_reply* reply = nullptr;
  ok(qwen_chat_say(chat.get(), "你好", QWEN_NUL_TERMINATED, nullptr, &reply, &error), error);
  std::size_t tokens = 1;
  qwen_reply_tokens(reply, &tokens);
  CHECK(tokens == 0);
  CHECK(qwen_reply_finish(reply) == QWEN_FINISH_LENGTH);
  CHECK(qwen_chat_turn_count(chat.get()) == 0);
  qwen_reply_free(reply);
  options.max_new_tokens = -2;
  CHECK(qwen_chat_create(model.get(), nullptr, nullptr, &options, &made, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(made == nullptr);

  // One place and no queue: a second request is refused while the first is computed.
  qwen_engine_options small{};
  small.struct_size = sizeof small;
  small.max_sequences = 1;
  small.max_queued = QWEN_ZERO;
  qwen_engine* engine = nullptr;
  ok(qwen_engine_create(model.get(), &small, &engine, &error), error);
  std::atomic<bool> refused{false};
  qwen_generate_options generate{};
  generate.struct_size = sizeof generate;
  generate.user = &refused;
  generate.on_text = [](void* user, const char*, std::size_t) -> std::int32_t {
    while (!static_cast<std::atomic<bool>*>(user)->load()) std::this_thread::yield();
    return 0;
  };
  const auto prompt = render(model, "你好");
  qwen_job *first = nullptr, *second = nullptr;
  ok(qwen_engine_submit(engine, prompt.data(), prompt.size(), &generate, &first, &error), error);
  CHECK(qwen_engine_submit(engine, prompt.data(), prompt.size(), &generate, &second, &error) == QWEN_BUSY);
  refused = true;
  CHECK(second == nullptr);
  ok(qwen_job_result(first, nullptr, &error), error);
  qwen_job_free(first);
  qwen_job_free(second);
  qwen_engine_free(engine);
}

TEST_CASE("C: an empty system prompt is not the model's default", "[capi]") {
  const auto model = tiny();
  qwen_error error;
  qwen_chat_options options{};
  options.struct_size = sizeof options;
  options.max_new_tokens = QWEN_ZERO;
  options.system = "";
  qwen_chat* made = nullptr;
  ok(qwen_chat_create(model.get(), nullptr, nullptr, &options, &made, &error), error);
  const Handle<qwen_chat> chat(made);
  qwen_reply* reply = nullptr;
  ok(qwen_chat_say(chat.get(), "你好", QWEN_NUL_TERMINATED, nullptr, &reply, &error), error);
  qwen_timings timings{};
  timings.struct_size = sizeof timings;
  ok(qwen_reply_get_timings(reply, &timings, &error), error);
  qwen_reply_free(reply);
  const qwen_message messages[] = {{"system", ""}, {"user", "你好"}};
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  ok(qwen_apply_chat_template(model.get(), messages, 2, 0, &tokens, &count, &error), error);
  qwen_free(tokens);
  CHECK(timings.prompt_tokens == static_cast<std::int32_t>(count));
  CHECK(count != render(model, "你好").size());
}

TEST_CASE("C: a call that fails leaves no stale results", "[capi]") {
  qwen_error error;
  const char* text = "stale";
  std::size_t length = 5;
  CHECK(qwen_text_stream_push(nullptr, 0, &text, &length, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(text == nullptr);
  CHECK(length == 0);
  text = "stale", length = 5;
  std::int32_t done = 1;
  CHECK(qwen_job_next(nullptr, 0, &text, &length, &done, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(text == nullptr);
  CHECK(length == 0);
  CHECK(done == 0);
  const float stale = 1;
  qwen_batch_item item{nullptr, nullptr, 0, 1, &stale};
  CHECK(qwen_session_forward_batch(&item, 1, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(item.logits == nullptr);
  // A forgotten size is found before anything is computed.
  qwen_classification found{};
  CHECK(qwen_classify(nullptr, "a", 1, &found, nullptr, &error) == QWEN_INVALID_ARGUMENT);
  CHECK_THAT(error.message, Catch::Contains("result.struct_size"));
}
