// The C interface: nothing that a caller hands in brings it down, and every error has a code and a message.
#include <string>

#include "capi/calls.h"
#include "qwen/qwen.h"

using namespace qwen::test::capi;

TEST_CASE("C: sized structs from older and newer programs", "[capi]") {
  qwen_error error;
  qwen_model* model = nullptr;
  struct Newer {
    qwen_load_options known;
    std::int64_t more;
  } newer{};
  newer.known.struct_size = sizeof newer;
  ok(qwen_model_load(kTiny.c_str(), &newer.known, &model, &error), error);
  qwen_model_free(model);
  newer.more = 1;
  CHECK(qwen_model_load(kTiny.c_str(), &newer.known, &model, &error) == QWEN_UNSUPPORTED);
  CHECK_THAT(error.message, Catch::Contains("qwen_load_options") && Catch::Contains(qwen_version()));
  newer.known.struct_size = 0;  // forgotten
  CHECK(qwen_model_load(kTiny.c_str(), &newer.known, &model, &error) == QWEN_INVALID_ARGUMENT);
  CHECK_THAT(error.message, Catch::Contains("struct_size"));

  const auto loaded = tiny();
  struct NewerInfo {
    qwen_model_info known;
    std::int64_t more;
  } info{};
  info.known.struct_size = sizeof info;
  info.more = 7;
  ok(qwen_model_get_info(loaded.get(), &info.known, &error), error);
  CHECK(info.known.struct_size == sizeof info);
  CHECK(info.known.layers > 0);
  CHECK(info.more == 0);
  info.known.struct_size = sizeof(std::size_t);
  CHECK(qwen_model_get_info(loaded.get(), &info.known, &error) == QWEN_INVALID_ARGUMENT);
}

TEST_CASE("C: NULL is refused by name or passed over, never followed", "[capi]") {
  qwen_error error;
  qwen_model* model = nullptr;
  const auto refused = [&](std::int32_t code, const char* name) {
    CHECK(code == QWEN_INVALID_ARGUMENT);
    CHECK_THAT(error.message, Catch::Contains(name));
  };
  refused(qwen_model_load(nullptr, nullptr, &model, &error), "path");
  CHECK(qwen_model_load(kTiny.c_str(), nullptr, nullptr, &error) == QWEN_INVALID_ARGUMENT);
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  refused(qwen_tokenize(nullptr, "a", 1, 0, &tokens, &count, &error), "model");
  const auto loaded = tiny();
  refused(qwen_tokenize(loaded.get(), nullptr, 1, 0, &tokens, &count, &error), "text");
  refused(qwen_tokenize(loaded.get(), "a", 1, 0, nullptr, &count, &error), "tokens");
  CHECK(qwen_tokenize(loaded.get(), "a", 1, 8, &tokens, &count, &error) == QWEN_UNSUPPORTED);
  refused(qwen_apply_chat_template(loaded.get(), nullptr, 1, 0, &tokens, &count, &error), "messages");
  qwen_session* session = nullptr;
  refused(qwen_session_create(nullptr, nullptr, &session, &error), "model");
  refused(qwen_session_forward(nullptr, nullptr, 0, nullptr, &error), "session");
  refused(qwen_generate(nullptr, nullptr, 0, nullptr, nullptr, &error), "session");
  refused(qwen_session_restore(session_of(loaded).get(), nullptr, &error), "snapshot");
  refused(qwen_classify(nullptr, "a", 1, nullptr, nullptr, &error), "result");
  refused(qwen_chat_say(nullptr, "a", 1, nullptr, nullptr, &error), "chat");
  refused(qwen_reply_get_timings(nullptr, nullptr, &error), "reply");
  CHECK(qwen_session_position(nullptr) == 0);
  CHECK(qwen_tasks_count(nullptr) == 0);
  CHECK(qwen_tasks_name(nullptr, 0) == nullptr);
  CHECK(std::string(qwen_reply_text(nullptr, nullptr)).empty());
  qwen_cancel_request(nullptr);
  qwen_model_free(nullptr);
  qwen_session_free(nullptr);
  qwen_reply_free(nullptr);
  qwen_free(nullptr);
}

TEST_CASE("C: codes and messages", "[capi]") {
  CHECK(std::string(qwen_version()) == QWEN_VERSION);
  CHECK(std::string(qwen_version()) == qwen::version());
  CHECK(std::string(qwen_code_name(QWEN_OK)) == "ok");
  CHECK(std::string(qwen_code_name(QWEN_BAD_FORMAT)) == to_string(qwen::ErrorCode::bad_format));
  CHECK(std::string(qwen_code_name(QWEN_INTERNAL)) == to_string(qwen::ErrorCode::internal));
  CHECK(std::string(qwen_code_name(-1)) == "unknown");
  CHECK(std::string(qwen_code_name(11)) == "unknown");

  // A message longer than its place is cut between characters.
  qwen_error error;
  qwen_model* model = nullptr;
  for (int shift = 0; shift < 3; ++shift) {
    std::string path = "/" + std::string(static_cast<std::size_t>(shift), 'x');
    for (int i = 0; i < 400; ++i) path += "很";
    CHECK(qwen_model_load(path.c_str(), nullptr, &model, &error) != QWEN_OK);
    const std::string message = error.message;
    CHECK(message.size() < sizeof error.message);
    CHECK((message.size() < 3 || message.find("\xEF\xBF\xBD") == std::string::npos));
    std::size_t begin = message.size();
    while (begin > 0 && (static_cast<unsigned char>(message[begin - 1]) & 0xC0) == 0x80) --begin;
    if (begin < message.size())
      CHECK(message.size() - begin == 2);  // after its lead byte, a whole character of three
  }
}
