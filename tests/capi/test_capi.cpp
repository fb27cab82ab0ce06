// The C interface: what it gives is what the C++ interface gives, and nothing that a caller hands in brings
// it down.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "qwen/qwen.h"
#include "qwen/qwen_c.h"

namespace {

const std::string kTiny = std::string(QWEN_TEST_DATA) + "/tiny.gguf";
const std::string kAnswer = "你好！我很好😀，今天天气不错。";  // of tiny.gguf, to everything

struct Free {
  void operator()(qwen_model* handle) const { qwen_model_free(handle); }
  void operator()(qwen_session* handle) const { qwen_session_free(handle); }
  void operator()(qwen_snapshot* handle) const { qwen_snapshot_free(handle); }
  void operator()(qwen_reply* handle) const { qwen_reply_free(handle); }
  void operator()(qwen_cancel* handle) const { qwen_cancel_free(handle); }
  void operator()(qwen_tasks* handle) const { qwen_tasks_free(handle); }
  void operator()(qwen_classifier* handle) const { qwen_classifier_free(handle); }
  void operator()(qwen_chat* handle) const { qwen_chat_free(handle); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

void ok(std::int32_t code, const qwen_error& error) {
  INFO(error.message);
  REQUIRE(code == QWEN_OK);
}

Handle<qwen_model> tiny() {
  qwen_model* model = nullptr;
  qwen_error error;
  ok(qwen_model_load(kTiny.c_str(), nullptr, &model, &error), error);
  return Handle<qwen_model>(model);
}

Handle<qwen_session> session_of(const Handle<qwen_model>& model) {
  qwen_session* session = nullptr;
  qwen_error error;
  ok(qwen_session_create(model.get(), nullptr, &session, &error), error);
  return Handle<qwen_session>(session);
}

std::vector<std::int32_t> render(const Handle<qwen_model>& model, const char* text) {
  const qwen_message message{"user", text};
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  qwen_error error;
  ok(qwen_render(model.get(), &message, 1, 0, &tokens, &count, &error), error);
  std::vector<std::int32_t> out(tokens, tokens + count);
  qwen_free(tokens);
  return out;
}

}  // namespace

TEST_CASE("C: model, tokens and information are those of C++", "[capi]") {
  const auto model = tiny();
  const qwen::Model same = qwen::Model::load(kTiny);
  qwen_error error;
  qwen_model_info info{};
  info.struct_size = sizeof info;
  ok(qwen_model_get_info(model.get(), &info, &error), error);
  CHECK(info.layers == same.shape().layers);
  CHECK(info.vocab == same.shape().vocab);
  CHECK(info.vocabulary == same.tokenizer().size());
  CHECK(info.fingerprint == same.fingerprint());
  CHECK(info.parameters == same.info().parameters);
  CHECK(info.isa == same.isa());
  CHECK(info.name == same.info().name);
  CHECK(info.chat_template == same.info().chat_template);

  const std::string text = "你好！<|im_end|>";
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  for (const std::uint32_t flags : {0u, QWEN_PARSE_CONTROL}) {
    ok(qwen_tokenize(model.get(), text.c_str(), QWEN_LENGTH_OF_STRING, flags, &tokens, &count, &error),
       error);
    const auto wanted = same.tokenizer().encode(
        text, flags ? qwen::Tokenizer::Special::parse : qwen::Tokenizer::Special::as_text);
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
      qwen_cancel_raise(static_cast<qwen_cancel*>(user));
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

TEST_CASE("C: tasks, classification and chat", "[capi]") {
  qwen_error error;
  qwen_model* loaded = nullptr;
  if (qwen_model_builtin(nullptr, &loaded, &error) == QWEN_UNSUPPORTED) {
    WARN("skipped: built without the bundled model");
    return;
  }
  const Handle<qwen_model> model(loaded);
  qwen_tasks* registry = nullptr;
  ok(qwen_tasks_create(&registry, &error), error);
  const Handle<qwen_tasks> tasks(registry);
  const std::size_t builtin = qwen_tasks_count(tasks.get());
  CHECK(builtin == qwen::TaskRegistry().names().size());
  ok(qwen_tasks_add_yaml(tasks.get(),
                         "name: aaa\nkind: classify\ntemplate: \"{text}\"\nlabels: [\"好\", \"坏\"]\n",
                         QWEN_LENGTH_OF_STRING, &error),
     error);
  CHECK(qwen_tasks_count(tasks.get()) == builtin + 1);
  CHECK(std::string(qwen_tasks_name(tasks.get(), 0)) == "aaa");
  CHECK(qwen_tasks_name(tasks.get(), builtin + 1) == nullptr);
  CHECK(qwen_tasks_add_yaml(tasks.get(), "name: [", QWEN_LENGTH_OF_STRING, &error) == QWEN_BAD_FORMAT);
  CHECK(qwen_tasks_add_folder(tasks.get(), "/no/such/folder", &error) == QWEN_NOT_FOUND);

  qwen_classifier* made = nullptr;
  CHECK(qwen_classifier_create(model.get(), tasks.get(), "nothing", nullptr, &made, &error) ==
        QWEN_NOT_FOUND);
  CHECK(qwen_classifier_create(model.get(), nullptr, "aaa", nullptr, &made, &error) == QWEN_NOT_FOUND);
  CHECK(made == nullptr);
  ok(qwen_classifier_create(model.get(), tasks.get(), "sentiment", nullptr, &made, &error), error);
  const Handle<qwen_classifier> classifier(made);
  const std::string text = "太棒了！";
  qwen::Classifier same(qwen::Model::builtin(), qwen::TaskRegistry().get("sentiment"));
  const qwen::Classification wanted = same.classify(text);
  qwen_classification found{};
  found.struct_size = sizeof found;
  std::vector<double> probabilities(qwen_classifier_label_count(classifier.get()));
  ok(qwen_classify(classifier.get(), text.data(), text.size(), &found, probabilities.data(), &error), error);
  CHECK(found.label == wanted.label);
  CHECK(probabilities == wanted.probabilities);
  CHECK(found.probability == *std::max_element(probabilities.begin(), probabilities.end()));
  qwen_label label{};
  label.struct_size = sizeof label;
  ok(qwen_classifier_get_label(classifier.get(), static_cast<std::size_t>(found.label), &label, &error),
     error);
  CHECK(std::string(label.text) == "正面");
  CHECK(qwen_classifier_get_label(classifier.get(), 2, &label, &error) == QWEN_INVALID_ARGUMENT);

  const char* words[] = {"酒店", "书"};
  qwen_classifier* by_labels = nullptr;
  ok(qwen_classifier_create_labels(model.get(), words, 2, nullptr, &by_labels, &error), error);
  CHECK(qwen_classifier_label_count(by_labels) == 2);
  qwen_classifier_free(by_labels);

  qwen_chat_options options{};
  options.struct_size = sizeof options;
  qwen_sampling greedy{};
  greedy.struct_size = sizeof greedy;
  ok(qwen_sampling_init(&greedy, nullptr, &error), error);
  greedy.temperature = 0;
  options.sampling = &greedy;
  qwen_chat* talk = nullptr;
  CHECK(qwen_chat_create(model.get(), tasks.get(), "sentiment", &options, &talk, &error) ==
        QWEN_INVALID_ARGUMENT);
  ok(qwen_chat_create(model.get(), nullptr, nullptr, &options, &talk, &error), error);
  const Handle<qwen_chat> chat(talk);
  qwen_reply* answer = nullptr;
  ok(qwen_chat_say(chat.get(), "你好", QWEN_LENGTH_OF_STRING, nullptr, &answer, &error), error);
  CHECK(std::string(qwen_reply_text(answer, nullptr)) == "你好！很高兴和你聊天。有什么我可以帮你的吗？");
  qwen_reply_free(answer);
  CHECK(qwen_chat_turn_count(chat.get()) == 1);
  ok(qwen_chat_say(chat.get(), "谢谢你", QWEN_LENGTH_OF_STRING, nullptr, &answer, &error), error);
  qwen_timings timings{};
  timings.struct_size = sizeof timings;
  ok(qwen_reply_get_timings(answer, &timings, &error), error);
  CHECK(timings.cached_tokens > 0);
  qwen_reply_free(answer);
  ok(qwen_chat_reset(chat.get(), &error), error);
  CHECK(qwen_chat_turn_count(chat.get()) == 0);

  struct Seen {
    int labels = 0;
    std::string text;
  } seen;
  qwen_say_options say{};
  say.struct_size = sizeof say;
  say.user = &seen;
  say.on_text = [](void* user, const char* piece, std::size_t length) -> std::int32_t {
    static_cast<Seen*>(user)->text.append(piece, length);
    return 0;
  };
  const qwen_label_fn on_label = [](void* user, const qwen_classification* result) -> std::int32_t {
    CHECK(static_cast<Seen*>(user)->text.empty());
    CHECK(result->probability > 0.5);
    return static_cast<Seen*>(user)->labels++ < 1 ? 0 : 1;
  };
  ok(qwen_analyze(classifier.get(), chat.get(), text.data(), text.size(), on_label, &say, &found, nullptr,
                  &answer, &error),
     error);
  CHECK(seen.labels == 1);
  CHECK(found.label == wanted.label);
  CHECK(seen.text == qwen_reply_text(answer, nullptr));
  CHECK_FALSE(seen.text.empty());
  qwen_reply_free(answer);
  seen.text.clear();
  ok(qwen_analyze(classifier.get(), chat.get(), text.data(), text.size(), on_label, &say, &found, nullptr,
                  &answer, &error),
     error);
  CHECK(seen.text.empty());  // the label ended it
  qwen_reply_free(answer);
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
  refused(qwen_render(loaded.get(), nullptr, 1, 0, &tokens, &count, &error), "messages");
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
  qwen_cancel_raise(nullptr);
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
