// Tasks: classification and chat.
#include <limits>

#include "capi/boundary.h"

using namespace qwen;
using namespace qwen::capi;

namespace {

Task find_task(const qwen_tasks* tasks, const char* name) {
  return tasks != nullptr ? tasks->registry.get(name) : TaskRegistry().get(name);
}

Classifier make_classifier(const qwen_model* model, Task task, const qwen_classifier_options* options) {
  const qwen_classifier_options from = read_sized(options, "qwen_classifier_options");
  EngineOptions engine;
  engine.context = from.context;
  engine.kv_type = kv_type_of(from.kv_type);
  return Classifier(inline_engine(model, engine), std::move(task));
}

qwen_classification plain(const Classification& from) {
  qwen_classification out{};
  out.struct_size = sizeof out;
  out.label = from.label;
  out.abstained = from.abstained ? 1 : 0;
  out.probability = from.probabilities.at(static_cast<std::size_t>(from.label));
  out.margin = from.margin;
  out.prompt_tokens = from.prompt_tokens;
  out.cached_tokens = from.cached_tokens;
  out.truncated_tokens = from.truncated_tokens;
  out.seconds = from.seconds;
  return out;
}

void write_classification(const Classification& from, qwen_classification* result, double* probabilities) {
  write_sized(result, plain(from), "result");
  if (probabilities != nullptr)
    std::copy(from.probabilities.begin(), from.probabilities.end(), probabilities);
}

SayOptions say_options(const qwen_say_options& from) {
  SayOptions out;
  out.cancel = cancel_of(from.cancel);
  if (from.use_seed != 0) out.seed = from.seed;
  out.stop = texts_of(from.stop, from.stop_count, "stop");
  return out;
}

void write_chat_reply(qwen_reply** out, ChatReply&& reply) {
  qwen_timings more{};
  more.prompt_tokens = reply.prompt_tokens;
  more.cached_tokens = reply.cached_tokens;
  more.dropped_turns = reply.dropped_turns;
  more.truncated_tokens = reply.truncated_tokens;
  reply.generation.text = std::move(reply.text);
  reply.generation.finish = reply.finish;
  write_reply(out, std::move(reply.generation), more);
}

}  // namespace

extern "C" {

std::int32_t qwen_tasks_create(qwen_tasks** tasks, qwen_error* error) {
  return call(error, [&] {
    require_not_null(tasks, "tasks") = nullptr;
    TaskRegistry registry;
    auto names = registry.names();
    *tasks = new qwen_tasks{std::move(registry), std::move(names)};
  });
}

void qwen_tasks_free(qwen_tasks* tasks) {
  delete tasks;
}

std::int32_t qwen_tasks_add_folder(qwen_tasks* tasks, const char* path, qwen_error* error) {
  return call(error, [&] {
    qwen_tasks& to = require_not_null(tasks, "tasks");
    to.registry.add_folder(&require_not_null(path, "path"));
    to.names = to.registry.names();
  });
}

std::int32_t qwen_tasks_add_yaml(qwen_tasks* tasks, const char* yaml, std::size_t length, qwen_error* error) {
  return call(error, [&] {
    qwen_tasks& to = require_not_null(tasks, "tasks");
    to.registry.add(Task::parse(text_of(yaml, length, "yaml"), "a task"));
    to.names = to.registry.names();
  });
}

std::size_t qwen_tasks_count(const qwen_tasks* tasks) {
  return tasks != nullptr ? tasks->names.size() : 0;
}

const char* qwen_tasks_name(const qwen_tasks* tasks, std::size_t index) {
  return tasks != nullptr && index < tasks->names.size() ? tasks->names[index].c_str() : nullptr;
}

std::int32_t qwen_classifier_create(const qwen_model* model, const qwen_tasks* tasks, const char* task,
                                    const qwen_classifier_options* options, qwen_classifier** classifier,
                                    qwen_error* error) {
  return create(classifier, error, [&] {
    return make_classifier(model, find_task(tasks, &require_not_null(task, "task")), options);
  });
}

std::int32_t qwen_classifier_create_labels(const qwen_model* model, const char* const* labels,
                                           std::size_t count, const qwen_classifier_options* options,
                                           qwen_classifier** classifier, qwen_error* error) {
  return create(classifier, error, [&] {
    return make_classifier(model, Task::for_labels(texts_of(labels, count, "labels")), options);
  });
}

void qwen_classifier_free(qwen_classifier* classifier) {
  delete classifier;
}

std::size_t qwen_classifier_label_count(const qwen_classifier* classifier) {
  return classifier != nullptr ? classifier->classifier.task().labels.size() : 0;
}

std::int32_t qwen_classifier_get_label(const qwen_classifier* classifier, std::size_t index,
                                       qwen_label* label, qwen_error* error) {
  return call(error, [&] {
    const auto& labels = require_not_null(classifier, "classifier").classifier.task().labels;
    if (index >= labels.size())
      invalid_argument("index: expected less than " + std::to_string(labels.size()) + ", found " +
                       std::to_string(index));
    qwen_label out{};
    out.text = labels[index].text.c_str();
    out.display = labels[index].display.c_str();
    out.emoji = labels[index].emoji.c_str();
    write_sized(label, out, "label");
  });
}

std::int32_t qwen_classify(qwen_classifier* classifier, const char* text, std::size_t length,
                           qwen_classification* result, double* probabilities, qwen_error* error) {
  return call(error, [&] {
    size_to_fill(result, "result");
    const Classification found =
        require_not_null(classifier, "classifier").classifier.classify(text_of(text, length, "text"));
    write_classification(found, result, probabilities);
  });
}

std::int32_t qwen_chat_create(const qwen_model* model, const qwen_tasks* tasks, const char* task,
                              const qwen_chat_options* options, qwen_chat** chat, qwen_error* error) {
  return create(chat, error, [&] {
    const qwen_chat_options from = read_sized(options, "qwen_chat_options");
    EngineOptions engine;
    engine.context = from.context;
    engine.kv_type = kv_type_of(from.kv_type);
    engine.max_sequences = 1;
    engine.prefix_bytes = std::numeric_limits<std::size_t>::max();  // the conversation, however long
    ChatOptions out;
    out.history_turns = value_or(from.history_turns, out.history_turns);
    if (out.history_turns == 0) out.history = false;
    out.history_tokens = from.history_tokens;
    if (from.max_new_tokens != 0) out.max_new_tokens = value_or(from.max_new_tokens, 0);
    if (from.sampling != nullptr) out.sampling = sampling_of(*from.sampling);
    if (from.system != nullptr) out.system = from.system;
    return Chat(inline_engine(model, engine), find_task(tasks, task != nullptr ? task : "chat"), out);
  });
}

void qwen_chat_free(qwen_chat* chat) {
  delete chat;
}

std::size_t qwen_chat_turn_count(const qwen_chat* chat) {
  return chat != nullptr ? chat->chat.turns().size() : 0;
}

std::int32_t qwen_chat_reset(qwen_chat* chat, qwen_error* error) {
  return call(error, [&] { require_not_null(chat, "chat").chat.set_turns({}); });
}

std::int32_t qwen_chat_say(qwen_chat* chat, const char* text, std::size_t length,
                           const qwen_say_options* options, qwen_reply** reply, qwen_error* error) {
  return call(error, [&] {
    if (reply != nullptr) *reply = nullptr;
    const qwen_say_options from = read_sized(options, "qwen_say_options");
    ChatReply answer = require_not_null(chat, "chat")
                           .chat.say(text_of(text, length, "text"), text_callback(from.on_text, from.user),
                                     say_options(from));
    write_chat_reply(reply, std::move(answer));
  });
}

std::int32_t qwen_analyze(qwen_classifier* classifier, qwen_chat* chat, const char* text, std::size_t length,
                          qwen_label_fn on_label, const qwen_say_options* options,
                          qwen_classification* result, double* probabilities, qwen_reply** reply,
                          qwen_error* error) {
  return call(error, [&] {
    if (reply != nullptr) *reply = nullptr;
    size_to_fill(result, "result");
    const qwen_say_options from = read_sized(options, "qwen_say_options");
    Callback<const Classification&> label;
    if (on_label != nullptr)
      label = [&](const Classification& found) {
        const qwen_classification given = plain(found);
        return on_label(from.user, &given) == 0;
      };
    Analysis analysis = analyze(require_not_null(classifier, "classifier").classifier,
                                require_not_null(chat, "chat").chat, text_of(text, length, "text"), label,
                                text_callback(from.on_text, from.user), say_options(from));
    write_classification(analysis.classification, result, probabilities);
    write_chat_reply(reply, std::move(analysis.reply));
  });
}

}  // extern "C"
