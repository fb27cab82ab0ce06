// Classifiers and chats over an engine answer as they do alone.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tasks/task_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

std::shared_ptr<Engine> engine_for(const Model& model, int parallel = 3, int queue = 64) {
  EngineOptions options;
  options.context = 512;
  options.max_sequences = parallel;
  options.max_queued = queue;
  return std::make_shared<Engine>(model, options);
}

ClassifierOptions classify_over(std::shared_ptr<Engine> engine) {
  ClassifierOptions options;
  options.context = 512;
  options.engine = std::move(engine);
  return options;
}

ChatOptions chat_over(std::shared_ptr<Engine> engine) {
  ChatOptions options;
  options.context = 512;
  options.engine = std::move(engine);
  return options;
}

const std::vector<std::string> kTexts{"hello",       "你好，世界",          "a",     "",
                                      "the the the", std::string(700, 'x'), "hello", "good value"};

void check_same(const Classification& found, const Classification& expected) {
  CHECK(found.label == expected.label);
  CHECK(found.scores == expected.scores);
  CHECK(found.probabilities == expected.probabilities);
  CHECK(found.raw == expected.raw);
  CHECK(found.prompt_tokens == expected.prompt_tokens);
  CHECK(found.truncated_tokens == expected.truncated_tokens);
}

}  // namespace

TEST_CASE("classification over an engine has the same bits, from many threads", "[tasks]") {
  const Model model = task_model(TensorType::q8_0, 3);
  for (const auto& labels : {std::vector<std::string>{"正面", "负面"}, {"good", "bad", "good value"}}) {
    Task task = label_task(labels);
    task.content_free = {"", "N/A"};
    Classifier plain(model, task, classify_over(nullptr)),
        over(model, task, classify_over(engine_for(model)));
    for (const ClassifyMode mode : {ClassifyMode::score, ClassifyMode::generate}) {
      const std::vector<Classification> expected = plain.classify_batch(kTexts, mode);
      std::vector<std::size_t> order;
      const auto batch = over.classify_batch(kTexts, mode, [&](std::size_t i, const Classification&) {
        order.push_back(i);
        return true;
      });
      REQUIRE(batch.size() == kTexts.size());
      CHECK(order == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7});
      std::vector<std::vector<Classification>> found(3);
      std::vector<std::thread> threads;
      for (std::size_t t = 0; t < found.size(); ++t)
        threads.emplace_back([&, t] {
          for (const std::string& text : kTexts) found[t].push_back(over.classify(text, mode));
        });
      for (std::thread& thread : threads) thread.join();
      for (std::size_t i = 0; i < kTexts.size(); ++i) {
        check_same(batch[i], expected[i]);
        for (const auto& results : found) check_same(results.at(i), expected[i]);
        CHECK(batch[i].cached_tokens > 10);  // the fixed part is pinned
        CHECK(batch[i].queue_seconds <= batch[i].seconds);
      }
    }
    CHECK(over.classify_batch(kTexts, ClassifyMode::score,
                              [](std::size_t i, const Classification&) { return i < 2; })
              .size() == 3);
  }
}

TEST_CASE("a batch is larger than the engine's queue, and a cache answers what it knows", "[tasks]") {
  const Model model = task_model();
  ClassifierOptions options = classify_over(engine_for(model, 1, 0));
  options.results = std::make_shared<ResultCache<Classification>>();
  Classifier classifier(model, label_task({"good", "bad"}), options);
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) texts.push_back(std::to_string(i % 10));
  const auto results = classifier.classify_batch(texts);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(results[i].scores == results[i + 10].scores);
    CHECK(classifier.classify(texts[i]).cached);
  }
  CancelToken cancel;
  cancel.cancel();
  CHECK_THROWS_AS(classifier.classify("new", ClassifyMode::score, cancel), Error);
}

TEST_CASE("a task that comes and goes leaves nothing pinned, and is scored the same", "[tasks]") {
  const Model model = task_model();
  const auto engine = engine_for(model);
  ClassifierOptions passing = classify_over(engine);
  passing.pin = false;
  const Task task = label_task({"good", "bad"});
  Classifier classifier(model, task, passing), plain(model, task, classify_over(nullptr));
  CHECK(engine->counters().submitted == 0);
  const Classification first = classifier.classify("hello");
  CHECK(first.cached_tokens == 0);
  check_same(first, plain.classify("hello"));
  const Classification second = classifier.classify("you");
  CHECK(second.cached_tokens > 10);  // of what the first one left
  check_same(second, plain.classify("you"));
}

TEST_CASE("an engine of another model is refused", "[tasks]") {
  const auto engine = engine_for(task_model(TensorType::q8_0, 1));
  const Model other = task_model(TensorType::q8_0, 2);
  CHECK_THROWS_WITH(Classifier(other, label_task({"a", "b"}), classify_over(engine)),
                    Catch::Contains("another model"));
  CHECK_THROWS_WITH(Chat(other, reply_task(), chat_over(engine)), Catch::Contains("another model"));
}

TEST_CASE("a conversation over an engine is the same", "[tasks]") {
  const Model model = task_model();
  Task task = reply_task();
  task.sampling.temperature = 1.5f;
  task.max_new_tokens = 20;
  const auto engine = engine_for(model);
  Chat plain(model, task, chat_over(nullptr)), over(model, task, chat_over(engine));
  for (const char* text : {"hello", "你好", "the end", "and more"}) {
    SayOptions say;
    say.seed = 7;
    std::string streamed;
    const ChatReply expected = plain.say(text, {}, say);
    const ChatReply reply = over.say(
        text,
        [&](std::string_view part) {
          streamed += part;
          return true;
        },
        say);
    CHECK(reply.text == expected.text);
    CHECK(reply.generation.tokens == expected.generation.tokens);
    CHECK(reply.finish == expected.finish);
    CHECK(reply.prompt_tokens == expected.prompt_tokens);
    CHECK(reply.dropped_turns == expected.dropped_turns);
    CHECK(streamed == reply.text);
    CHECK(reply.cached_tokens > 0);
    CHECK(reply.queue_seconds <= reply.first_token_seconds);
    CHECK(reply.first_token_seconds <= reply.total_seconds);
  }
  CHECK(over.turns().size() == plain.turns().size());
  CHECK(over.prompt("next").tokens == plain.prompt("next").tokens);
  CHECK(over.prompt("next").dropped_turns == plain.prompt("next").dropped_turns);
}

TEST_CASE("a reader who is slow holds up nobody", "[tasks]") {
  const Model model = task_model();
  const auto engine = engine_for(model);
  Chat slow(model, reply_task(), chat_over(engine)), quick(model, reply_task(), chat_over(engine));
  std::atomic<bool> done{false};
  std::thread other;
  slow.say("hello", [&](std::string_view) {
    if (!other.joinable())
      other = std::thread([&] {
        quick.say("hello");
        done = true;
      });
    while (!done) std::this_thread::yield();
    return true;
  });
  REQUIRE(other.joinable());
  other.join();
  CHECK(quick.turns()[0].assistant == slow.turns()[0].assistant);
}

TEST_CASE("a reply is ended by its reader, by its token, and while it waits", "[tasks]") {
  const Model model = task_model();
  const auto engine = engine_for(model, 1);
  Task task = reply_task();
  task.max_new_tokens = 200;
  Chat chat(model, task, chat_over(engine));
  std::string seen;
  ChatReply reply = chat.say("hello", [&](std::string_view part) {
    seen += part;
    return false;
  });
  CHECK(reply.finish == FinishReason::cancelled);
  CHECK(reply.text == seen);
  CHECK(chat.turns().at(0).assistant == seen);
  CHECK_THROWS_AS(chat.say("x", [](std::string_view) -> bool { throw std::runtime_error("enough"); }),
                  std::runtime_error);
  CHECK(chat.turns().size() == 1);

  // The only place is taken until `open`.
  std::atomic<bool> open{false}, entered{false};
  EngineRequest blocker;
  blocker.prompt = {1, 2, 3};
  blocker.generate.stop_at_end_of_turn = false;
  blocker.on_text = [&](std::string_view) {
    entered = true;
    while (!open) std::this_thread::yield();
    return false;
  };
  EngineJob job = engine->submit(std::move(blocker));
  while (!entered) std::this_thread::yield();
  std::vector<int> places;
  SayOptions waits;
  waits.on_wait = [&](int place) {
    places.push_back(place);
    open = true;
    return false;
  };
  reply = chat.say("again", {}, waits);
  CHECK(places == std::vector<int>{1});
  CHECK(reply.finish == FinishReason::cancelled);
  CHECK(reply.text.empty());
  SayOptions raised;
  raised.cancel.cancel();
  CHECK(chat.say("again", {}, raised).finish == FinishReason::cancelled);
}

TEST_CASE("label and reply over one engine are what they are alone", "[tasks]") {
  const Model model = task_model();
  const auto engine = engine_for(model);
  Classifier over(model, label_task({"good", "bad"}), classify_over(engine)),
      plain(model, label_task({"good", "bad"}), classify_over(nullptr));
  const std::string label = plain.task().labels[static_cast<std::size_t>(plain.classify("hello").label)].text;
  for (const bool steered : {false, true}) {
    Task task = reply_task();
    if (steered) task.system_by_label[label] = "Speak as one who knows.";
    Chat chat(model, task, chat_over(engine)), alone(model, task, chat_over(nullptr));
    for (const char* text : {"hello", "你好", "more"}) {
      std::string order;
      const Analysis found = analyze(
          over, chat, text,
          [&](const Classification&) {
            order += 'L';
            return true;
          },
          [&](std::string_view) {
            order += 't';
            return true;
          });
      const Analysis expected = analyze(plain, alone, text);
      check_same(found.classification, expected.classification);
      CHECK(found.reply.text == expected.reply.text);
      CHECK(order.find('L') == 0);
      CHECK(order.find('L', 1) == std::string::npos);
      CHECK(found.label_seconds > 0);
    }
    const Analysis ended = analyze(over, chat, "hello", [](const Classification&) { return false; });
    CHECK(ended.reply.text.empty());
    CHECK(chat.turns().size() == 3);
  }
  SayOptions raised;
  raised.cancel.cancel();
  Chat chat(model, reply_task(), chat_over(engine));
  CHECK_THROWS_AS(analyze(over, chat, "hello", {}, {}, raised), Error);
}
