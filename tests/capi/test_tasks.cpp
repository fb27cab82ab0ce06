// The C interface: tasks, classification and chat.
#include <algorithm>
#include <string>
#include <vector>

#include "capi/calls.h"
#include "qwen/qwen.h"

using namespace qwen::test::capi;

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
                         QWEN_NUL_TERMINATED, &error),
     error);
  CHECK(qwen_tasks_count(tasks.get()) == builtin + 1);
  CHECK(std::string(qwen_tasks_name(tasks.get(), 0)) == "aaa");
  CHECK(qwen_tasks_name(tasks.get(), builtin + 1) == nullptr);
  CHECK(qwen_tasks_add_yaml(tasks.get(), "name: [", QWEN_NUL_TERMINATED, &error) == QWEN_BAD_FORMAT);
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
  ok(qwen_chat_say(chat.get(), "你好", QWEN_NUL_TERMINATED, nullptr, &answer, &error), error);
  CHECK(std::string(qwen_reply_text(answer, nullptr)).starts_with("你好！很高兴"));
  qwen_reply_free(answer);
  CHECK(qwen_chat_turn_count(chat.get()) == 1);
  ok(qwen_chat_say(chat.get(), "谢谢你", QWEN_NUL_TERMINATED, nullptr, &answer, &error), error);
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
