// The C interface: models, tokens and files give what the C++ interface gives.
#include <algorithm>
#include <string>
#include <vector>

#include "capi/calls.h"
#include "qwen/qwen.h"

using namespace qwen::test::capi;

TEST_CASE("C: model, tokens and information are those of C++", "[capi]") {
  const auto model = tiny();
  const qwen::Model same = qwen::Model::load(kTiny);
  qwen_error error;
  qwen_model_info info{};
  info.struct_size = sizeof info;
  ok(qwen_model_get_info(model.get(), &info, &error), error);
  CHECK(info.layers == same.shape().layers);
  CHECK(info.embedding_rows == same.shape().embedding_rows);
  CHECK(info.vocab_size == same.tokenizer().size());
  CHECK(info.fingerprint == same.fingerprint());
  CHECK(info.parameters == same.info().parameters);
  CHECK(info.isa == same.isa());
  CHECK(info.name == same.info().name);
  CHECK(info.chat_template == same.info().chat_template);

  const std::string text = "你好！<|im_end|>";
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  for (const std::uint32_t flags : {0u, QWEN_PARSE_CONTROL}) {
    ok(qwen_tokenize(model.get(), text.c_str(), QWEN_NUL_TERMINATED, flags, &tokens, &count, &error), error);
    const auto wanted = same.tokenizer().encode(
        text, flags ? qwen::Tokenizer::ControlTokens::parse : qwen::Tokenizer::ControlTokens::as_text);
    CHECK(std::vector<std::int32_t>(tokens, tokens + count) == wanted);
    char* back = nullptr;
    std::size_t length = 0;
    ok(qwen_detokenize(model.get(), tokens, count, QWEN_SHOW_CONTROL, &back, &length, &error), error);
    CHECK(std::string(back) == text);
    CHECK(length == text.size());
    qwen_free(back);
    qwen_free(tokens);
  }
  ok(qwen_tokenize(model.get(), nullptr, 0, 0, &tokens, &count, &error), error);
  CHECK(count == 0);
  qwen_free(tokens);

  const qwen::Message message{"user", "A"};
  CHECK(render(model, "A") == same.chat_template().render({&message, 1}));
}

TEST_CASE("C: load reports progress, stops where it is told, and says what is wrong", "[capi]") {
  qwen_error error;
  qwen_model* model = nullptr;
  qwen_load_options options{};
  options.struct_size = sizeof options;
  options.threads = 1;
  std::vector<double> seen;
  options.progress_user = &seen;
  options.on_progress = [](void* user, const char* stage, double fraction) -> std::int32_t {
    REQUIRE(stage != nullptr);
    static_cast<std::vector<double>*>(user)->push_back(fraction);
    return 0;
  };
  ok(qwen_model_load(kTiny.c_str(), &options, &model, &error), error);
  CHECK(seen.back() == 1.0);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  qwen_model_free(model);

  options.on_progress = [](void*, const char*, double) -> std::int32_t { return 1; };
  CHECK(qwen_model_load(kTiny.c_str(), &options, &model, &error) == QWEN_CANCELLED);
  CHECK(model == nullptr);
  CHECK(error.code == QWEN_CANCELLED);

  options.on_progress = nullptr;
  CHECK(qwen_model_load("/no/such.gguf", &options, &model, &error) == QWEN_NOT_FOUND);
  CHECK_THAT(error.message, Catch::Contains("/no/such.gguf"));
  CHECK(qwen_model_load("/no/such.gguf", &options, &model, nullptr) == QWEN_NOT_FOUND);
  options.quantize = 17;
  CHECK(qwen_model_load(kTiny.c_str(), &options, &model, &error) == QWEN_INVALID_ARGUMENT);
  CHECK_THAT(error.message, Catch::Contains("17"));
  options.quantize = 0;
  options.chat_template = "jinja";
  CHECK(qwen_model_load(kTiny.c_str(), &options, &model, &error) == QWEN_INVALID_ARGUMENT);
}
