#include <catch2/catch.hpp>

#include "tasks/task_model.h"

using namespace qwen;
using namespace qwen::test;

TEST_CASE("reply_batch gives the replies of say, in order, and keeps the conversation", "[tasks]") {
  const Model model = task_model();
  Task task = reply_task();
  task.sampling.temperature = 0.8f;
  task.sampling.seed = 3;
  EngineOptions options;
  options.background = false;
  options.max_sequences = 2;
  options.max_queued = 1;  // more texts than the queue has room for
  const auto engine = std::make_shared<Engine>(model, options);
  const Chat chat(engine, task);
  const std::vector<std::string> texts{"hello", "", "你好", "the end", "one", "two", "three"};
  std::vector<std::size_t> order;
  const auto all = chat.reply_batch(texts, [&](std::size_t i, const ChatReply&) { order.push_back(i); });
  REQUIRE(all.size() == texts.size());
  CHECK(order == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6});
  CHECK(chat.turns().empty());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Chat alone(engine, task);
    const ChatReply expected = alone.say(texts[i]);
    CHECK(all[i].text == expected.text);
    CHECK(all[i].finish == expected.finish);
    CHECK(all[i].prompt_tokens == expected.prompt_tokens);
  }
  CHECK(chat.reply_batch(texts, [](std::size_t i, const ChatReply&) { return i < 1; }).size() == 2);
  CHECK(chat.reply_batch({}).empty());

  const CancelToken cancel;
  cancel.cancel();
  CHECK_THROWS_AS(chat.reply_batch(texts, {}, cancel), Error);
}

TEST_CASE("reply_batch answers each text as the next message of the conversation", "[tasks]") {
  const Model model = task_model();
  const Task task = reply_task();
  Chat chat(model, task);
  chat.say("hello");
  const std::vector<ChatTurn> before = chat.turns();
  const std::vector<std::string> texts{"你好", "the end"};
  const auto all = chat.reply_batch(texts);
  REQUIRE(all.size() == 2);
  CHECK(chat.turns().size() == 1);
  Chat same(model, task);
  same.set_turns(before);
  CHECK(all[1].text == same.say(texts[1]).text);
}
