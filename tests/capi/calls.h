// What the tests of the C interface share: handles that free themselves, calls that must succeed.
#pragma once
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "qwen/qwen_c.h"

namespace qwen::test::capi {

inline const std::string kTiny = std::string(QWEN_TEST_DATA) + "/tiny.gguf";
inline const std::string kAnswer = "你好！我很好😀，今天天气不错。";  // of tiny.gguf, to everything

struct Free {
  void operator()(qwen_model* handle) const { qwen_model_free(handle); }
  void operator()(qwen_session* handle) const { qwen_session_free(handle); }
  void operator()(qwen_snapshot* handle) const { qwen_snapshot_free(handle); }
  void operator()(qwen_reply* handle) const { qwen_reply_free(handle); }
  void operator()(qwen_cancel* handle) const { qwen_cancel_free(handle); }
  void operator()(qwen_tasks* handle) const { qwen_tasks_free(handle); }
  void operator()(qwen_classifier* handle) const { qwen_classifier_free(handle); }
  void operator()(qwen_embedder* handle) const { qwen_embedder_free(handle); }
  void operator()(qwen_reranker* handle) const { qwen_reranker_free(handle); }
  void operator()(qwen_chat* handle) const { qwen_chat_free(handle); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

inline void ok(std::int32_t code, const qwen_error& error) {
  INFO(error.message);
  REQUIRE(code == QWEN_OK);
}

inline Handle<qwen_model> tiny() {
  qwen_model* model = nullptr;
  qwen_error error;
  ok(qwen_model_load(kTiny.c_str(), nullptr, &model, &error), error);
  return Handle<qwen_model>(model);
}

inline Handle<qwen_session> session_of(const Handle<qwen_model>& model) {
  qwen_session* session = nullptr;
  qwen_error error;
  ok(qwen_session_create(model.get(), nullptr, &session, &error), error);
  return Handle<qwen_session>(session);
}

inline std::vector<std::int32_t> render(const Handle<qwen_model>& model, const char* text) {
  const qwen_message message{"user", text};
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  qwen_error error;
  ok(qwen_apply_chat_template(model.get(), &message, 1, 0, &tokens, &count, &error), error);
  std::vector<std::int32_t> out(tokens, tokens + count);
  qwen_free(tokens);
  return out;
}

}  // namespace qwen::test::capi
