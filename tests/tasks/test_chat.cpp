#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <utility>

#include "tasks/task_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// What a session that knows nothing answers to the same messages.
std::string fresh_answer(const Model& model, const Task& task, const std::vector<Message>& history,
                         const std::string& text, std::string_view reply_to = {}) {
  Session session(model);
  GenerateOptions options;
  options.max_new_tokens = task.max_new_tokens;
  options.sampling = task.sampling;
  return generate(session, model.chat_template().render(task.messages(text, history, reply_to)), options)
      .text;
}

std::shared_ptr<Engine> inline_engine_of(const Model& model, int context = 0) {
  EngineOptions options;
  options.background = false;
  options.context = context;
  return std::make_shared<Engine>(model, options);
}

// A template that can turn thinking on, as Qwen3's does.
constexpr const char* kThinkingTemplate =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{{ '<think>\\n' if enable_thinking else '<think></think>\\n' }}{% endif %}";

// A model that writes "ab</think>XYZ" after a line break, and "YZ" after a Q: each token has one successor.
Model thinking_model(const char* chat_template = kThinkingTemplate) {
  static const TestFolder folder("thinking-model");
  TinyModel tiny;
  tiny.own_head = true;
  tiny.spare_rows = 0;
  if (chat_template != nullptr) tiny.chat_template = chat_template;
  const Tokenizer tokenizer = task_model().tokenizer();
  const auto id = [&](const std::string& text) {
    return static_cast<std::size_t>(tokenizer.encode(text).at(0));
  };
  std::vector<std::pair<std::size_t, std::size_t>> successors{{id("Q"), id("Y")}};
  const std::string text = "\nab</think>XYZ";
  for (std::size_t i = 0; i + 1 < text.size(); ++i)
    successors.push_back({id(text.substr(i, 1)), id(text.substr(i + 1, 1))});
  successors.push_back({id("Z"), static_cast<std::size_t>(task_model().chat_template().end_of_turn()[0])});
  std::vector<float> embedding;
  tiny.edit = [&](TinyTensor& tensor) {
    if (tensor.name == "token_embd.weight") embedding = tensor.values;
    // The layers add nothing.
    if (tensor.name.find("attn_output.weight") != std::string::npos ||
        tensor.name.find("ffn_down.weight") != std::string::npos)
      std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
    if (tensor.name == "output.weight") {
      std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
      const auto width = static_cast<std::size_t>(tiny.hidden);
      for (const auto& [from, to] : successors)
        for (std::size_t i = 0; i < width; ++i)
          tensor.values.at(to * width + i) += embedding.at(from * width + i);
    }
    return true;
  };
  return Model::load(write_tiny_model(tiny, folder / (chat_template ? "thinks.gguf" : "plain.gguf")));
}

Task long_reply_task() {
  Task task = reply_task();
  task.max_new_tokens = 40;
  return task;
}

}  // namespace

TEST_CASE("a chat answers as a fresh session with the same turns does, computing only what is new",
          "[tasks]") {
  const Model model = task_model();
  const Task task = reply_task();
  Chat chat(model, task);
  std::vector<Message> history;
  for (const char* text : {"hello", "你好", "the end"}) {
    const ChatReply reply = chat.say(text);
    CHECK(reply.text == fresh_answer(model, task, history, text));
    if (!history.empty()) CHECK(reply.cached_tokens > 20);
    CHECK(reply.cached_tokens < reply.prompt_tokens);
    CHECK(reply.dropped_turns == 0);
    history.push_back({"user", text});
    history.push_back({"assistant", reply.text});
  }
  CHECK(chat.turns().size() == 3);
}

TEST_CASE("a chat keeps the last turns and says what it drops", "[tasks]") {
  const Model model = task_model();
  const Task task = reply_task();
  ChatOptions options;
  options.history_turns = 2;
  Chat chat(model, task, options);
  chat.say("one");
  chat.say("two");
  CHECK(chat.say("three").dropped_turns == 0);  // sees two turns
  const ChatReply reply = chat.say("four");
  CHECK(reply.dropped_turns == 1);
  REQUIRE(chat.turns().size() == 3);
  CHECK(chat.turns().front().user == "two");
  const auto& turns = chat.turns();
  CHECK(reply.text == fresh_answer(model, task,
                                   {{"user", turns[0].user},
                                    {"assistant", turns[0].assistant},
                                    {"user", turns[1].user},
                                    {"assistant", turns[1].assistant}},
                                   "four"));
}

TEST_CASE("turns that do not fit are dropped whole", "[tasks]") {
  const Model model = task_model();
  ChatOptions options;
  options.history_turns = 100;
  Chat chat(inline_engine_of(model, 200), reply_task(), options);
  int dropped = 0;
  for (int i = 0; i < 8; ++i) {
    const ChatReply reply = chat.say(std::string(30, static_cast<char>('a' + i)));
    CHECK(reply.prompt_tokens <= 200 - 6);
    CHECK(reply.truncated_tokens == 0);
    dropped += reply.dropped_turns;
  }
  CHECK(dropped > 0);
  CHECK(chat.turns().size() == 8u - static_cast<unsigned>(dropped));
  // By tokens, where the caller sets a lower limit than the context does.
  options.history_tokens = 60;
  Chat narrow(inline_engine_of(model, 200), reply_task(), options);
  narrow.say("first message");
  CHECK(narrow.say("second message").prompt_tokens <= 80);
  CHECK(narrow.turns().size() <= 2);
}

TEST_CASE("a message that does not fit is cut or refused, and what was said stays", "[tasks]") {
  const Model model = task_model();
  Task task = reply_task();
  Chat cutting(inline_engine_of(model, 128), task);
  cutting.say("hello");
  const ChatReply reply = cutting.say(std::string(5000, 'z'));
  CHECK(reply.truncated_tokens > 4000);
  CHECK(reply.dropped_turns == 1);
  task.overflow = TextOverflow::refuse;
  Chat refusing(inline_engine_of(model, 128), task);
  const std::string before = refusing.say("hello").text;
  CHECK_THROWS_AS(refusing.say(std::string(5000, 'z')), Error);
  REQUIRE(refusing.turns().size() == 1);
  CHECK(refusing.turns()[0].assistant == before);
  CHECK_NOTHROW(refusing.say("again"));
}

TEST_CASE("a message that may not be cut takes the room of its reply", "[tasks]") {
  const Model model = task_model();
  Task task = reply_task();
  task.overflow = TextOverflow::refuse;
  ChatOptions options;
  options.max_new_tokens = 64;
  Chat chat(inline_engine_of(model, 128), task, options);
  chat.say("hello");
  const Chat::Prompt prompt = chat.prompt(std::string(90, 'z'));
  REQUIRE(prompt.tokens.size() > 64);
  REQUIRE(prompt.tokens.size() < 128);
  CHECK(prompt.dropped_turns == 1);
  const ChatReply reply = chat.say(std::string(90, 'z'));
  CHECK(reply.truncated_tokens == 0);
  CHECK(reply.prompt_tokens + static_cast<int>(reply.generation.tokens.size()) <= 129);
}

TEST_CASE("a chat's own system prompt, an empty one too", "[tasks]") {
  const Model model = task_model();
  const Task task = reply_task();
  const auto rendered = [&](const std::vector<Message>& messages) {
    return model.chat_template().render(messages);
  };
  ChatOptions options;
  options.system = "Be brief.";
  CHECK(Chat(model, task, options).prompt("hello").tokens ==
        rendered({{"system", "Be brief."}, {"user", "hello"}}));
  options.system = "";
  CHECK(Chat(model, task, options).prompt("hello").tokens == rendered({{"system", ""}, {"user", "hello"}}));
  Task plain = task;
  plain.system.clear();
  CHECK(Chat(model, plain).prompt("hello").tokens == rendered({{"user", "hello"}}));
}

TEST_CASE("thinking is a matter of the prompt's end", "[tasks]") {
  LoadOptions load;
  load.chat_template = "qwen3";
  const Model model = Model::load(QWEN_TEST_DATA "/tiny.gguf", load);
  const Task task = reply_task();
  ChatOptions options;
  const std::vector<Token> answers = Chat(model, task, options).prompt("hello").tokens;
  options.thinking = true;
  const std::vector<Token> thinks = Chat(model, task, options).prompt("hello").tokens;
  REQUIRE(thinks.size() < answers.size());  // without the empty think block
  CHECK(std::equal(thinks.begin(), thinks.end(), answers.begin()));
}

TEST_CASE("a chat with a template that cannot turn thinking off lets the model think", "[tasks]") {
  LoadOptions load;
  load.chat_template =
      "{{ raise_exception('this model always thinks') if not enable_thinking }}"
      "{% for m in messages %}{{ m.content }}{% endfor %}<think>";
  const Model model = Model::load(QWEN_TEST_DATA "/tiny.gguf", load);
  REQUIRE(model.chat_template().thinking() == ChatTemplate::Thinking::always);
  Chat chat(model, reply_task());
  const std::string prompt = model.tokenizer().decode(chat.prompt("hello").tokens, true);
  CHECK_THAT(prompt, Catch::EndsWith("hello<think>"));
  CHECK_NOTHROW(chat.say("hello"));
}

TEST_CASE("a chat delivers the thought apart from the answer", "[tasks]") {
  const Model model = thinking_model();
  REQUIRE(model.chat_template().thinking() == ChatTemplate::Thinking::optional);
  ChatOptions options;
  options.thinking = true;
  Chat chat(model, long_reply_task(), options);
  CHECK(chat.prompt("hello").thought == Thought::begun);
  std::string streamed;
  SayOptions say;
  say.on_reasoning = [&](std::string_view part) { streamed += "[" + std::string(part) + "]"; };
  const ChatReply reply = chat.say(
      "hello", [&](std::string_view part) { streamed += part; }, say);
  CHECK(streamed == "[a][b]XYZ");
  CHECK(reply.reasoning == "ab");
  CHECK(reply.text == "XYZ");
  CHECK(reply.finish == FinishReason::end_of_turn);
  CHECK(reply.generation.text == "ab</think>XYZ");
  CHECK(chat.turns().back().assistant == "XYZ");
  const std::string next = model.tokenizer().decode(chat.prompt("more").tokens, true);
  CHECK_THAT(next, Catch::Contains("\nXYZ<|im_end|>") && !Catch::Contains("ab</think>"));
  // Without a callback the thought is in the reply.
  CHECK(chat.say("hello").reasoning == "ab");
  // Off: the model does not think, and what looks like the end of a thought is text.
  Chat plain(model, long_reply_task());
  CHECK(plain.prompt("hello").thought == Thought::none);
  const ChatReply text = plain.say("hello");
  CAPTURE(text.generation.tokens, text.generation.text);
  CHECK(text.text == "ab</think>XYZ");
}

TEST_CASE("a thought that is stopped or cut never becomes an answer", "[tasks]") {
  const Model model = thinking_model();
  ChatOptions options;
  options.thinking = true;
  Chat chat(model, long_reply_task(), options);
  std::string thought, answer;
  const auto on_text = [&](std::string_view part) { answer += part; };
  SayOptions say;
  say.on_reasoning = [&](std::string_view part) {
    thought += part;
    return false;
  };
  const ChatReply ended = chat.say("hello", on_text, say);
  CHECK(ended.finish == FinishReason::cancelled);
  CHECK(thought == "a");
  CHECK(ended.reasoning == "a");
  CHECK(ended.text.empty());
  CHECK(chat.turns().back().assistant.empty());
  // The longest reply ends within the tag that closes the thought.
  for (int length = 1; length < 11; ++length) {
    options.max_new_tokens = length;
    const ChatReply cut = Chat(model, long_reply_task(), options).say("hello", on_text);
    CAPTURE(length);
    CHECK(cut.finish == FinishReason::length);
    CHECK(cut.text.empty());
    CHECK(cut.reasoning ==
          (length < 10 ? std::string("ab</think").substr(0, static_cast<std::size_t>(length)) : "ab"));
  }
  CHECK(answer.empty());
}

TEST_CASE("a chat continues a partial reply", "[tasks]") {
  const Model model = thinking_model();
  for (const bool thinking : {false, true}) {
    CAPTURE(thinking);
    ChatOptions options;
    options.thinking = thinking;
    Chat chat(model, long_reply_task(), options);
    SayOptions say;
    say.partial = "P Q";
    const Chat::Prompt prompt = chat.prompt("hello", say);
    CHECK(prompt.thought == Thought::none);
    CHECK_THAT(model.tokenizer().decode(prompt.tokens, true), Catch::EndsWith("<|im_start|>assistant\nP Q"));
    std::string streamed;
    const ChatReply reply = chat.say(
        "hello", [&](std::string_view part) { streamed += part; }, say);
    CHECK(reply.text == "YZ");
    CHECK(streamed == "YZ");
    CHECK(reply.reasoning.empty());
    CHECK(reply.prompt_tokens == static_cast<int>(prompt.tokens.size()));
    CHECK(chat.turns().back().assistant == "P QYZ");
    // Only this reply is continued.
    CHECK_THAT(model.tokenizer().decode(chat.prompt("more").tokens, true),
               Catch::Contains("P QYZ<|im_end|>"));
  }
}

TEST_CASE("a chat limits the thought, and its answer satisfies a constraint", "[tasks]") {
  LoadOptions load;
  load.chat_template =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
      "{{ '<|im_start|>assistant\n' }}{{ '<think>\n' if enable_thinking }}";
  const Model model = Model::load(QWEN_TEST_DATA "/tiny.gguf", load);
  ChatOptions options;
  options.thinking = true;
  options.thought_tokens = 3;
  options.max_new_tokens = 120;
  Chat chat(model, reply_task(), options);
  SayOptions say;
  say.constraint = Constraint::regex("[0-9]{4}");
  const ChatReply reply = chat.say("hello", {}, say);
  CHECK(say.constraint->accepts(reply.text));
  CHECK_THAT(reply.reasoning, Catch::Contains("Considering the limited time"));
  CHECK(reply.finish == FinishReason::end_of_turn);
  CHECK(chat.turns().back().assistant == reply.text);
  say.partial = "12";
  CHECK_THROWS_WITH(chat.say("hello", {}, say), Catch::Contains("partial"));
  CHECK(chat.turns().size() == 1);
}

TEST_CASE("a partial reply that ends within a thought is continued as one", "[tasks]") {
  const Model model = thinking_model();
  Chat chat(model, long_reply_task());
  SayOptions say;
  say.partial = "<think>\nso x\n";
  const ChatReply reply = chat.say("hello", {}, say);
  CHECK(reply.reasoning == "ab");
  CHECK(reply.text == "XYZ");
  CHECK(chat.turns().back().assistant == "XYZ");
  // A model without thinking writes the same as ordinary text.
  Chat plain(thinking_model(nullptr), long_reply_task());
  const ChatReply text = plain.say("hello", {}, say);
  CHECK(text.reasoning.empty());
  CHECK(text.text == "ab</think>XYZ");
  CHECK(plain.turns().back().assistant == "<think>\nso x\nab</think>XYZ");
}

TEST_CASE("without history every message is the first", "[tasks]") {
  const Model model = task_model();
  ChatOptions options;
  options.history = false;
  Chat chat(model, reply_task(), options);
  const std::string first = chat.say("hello").text;
  chat.say("something else");
  CHECK(chat.say("hello").text == first);
  CHECK(chat.turns().empty());
}

TEST_CASE("callers may keep the turns themselves", "[tasks]") {
  const Model model = task_model();
  Chat one(model, reply_task()), other(model, reply_task());
  one.say("hello");
  other.say("nothing of that");
  other.set_turns(one.turns());
  CHECK(one.say("and now").text == other.say("and now").text);
}

TEST_CASE("a reply that is ended early is kept as far as it went", "[tasks]") {
  const Model model = task_model();
  Chat chat(model, reply_task());
  std::string seen;
  const ChatReply reply = chat.say("hello", [&](std::string_view part) {
    seen += part;
    return false;
  });
  CHECK(reply.finish == FinishReason::cancelled);
  CHECK(reply.text == seen);
  REQUIRE(chat.turns().size() == 1);
  CHECK(chat.turns()[0].assistant == seen);
  SayOptions cancelled;
  cancelled.cancel.cancel();
  CHECK(chat.say("again", {}, cancelled).finish == FinishReason::cancelled);
}

TEST_CASE("the label comes first, then the reply, steered by it where the task says so", "[tasks]") {
  const Model model = task_model();
  Classifier classifier(model, label_task({"good", "bad"}));
  Task task = reply_task();
  const std::string label =
      classifier.task().labels[static_cast<std::size_t>(classifier.classify("hello").label)].text;
  task.system_by_label[label] = "Speak as one who knows.";
  Chat chat(model, task);
  std::vector<std::string> order;
  const Analysis result = analyze(
      classifier, chat, "hello",
      [&](const Classification& found) {
        order.push_back("label");
        CHECK(found.probabilities.size() == 2);
        return true;
      },
      [&](std::string_view) {
        order.push_back("text");
        return true;
      });
  REQUIRE(!order.empty());
  CHECK(order.front() == "label");
  CHECK(std::count(order.begin(), order.end(), "label") == 1);
  CHECK(result.reply.text == fresh_answer(model, task, {}, "hello", label));
  CHECK(result.classification.probabilities == classifier.classify("hello").probabilities);
  CHECK(result.label_seconds <= result.reply_seconds);
  // A caller who has seen enough.
  Chat silent(model, task);
  const Analysis ended = analyze(classifier, silent, "hello", [](const Classification&) { return false; });
  CHECK(ended.reply.text.empty());
  CHECK(silent.turns().empty());
}

TEST_CASE("label and reply computed together are the same as alone", "[tasks]") {
  const Model model = task_model();
  const auto engine = inline_engine_of(model);
  ClassifierOptions classify;
  classify.results = std::make_shared<ResultCache<Classification>>();
  Classifier classifier(engine, label_task({"good", "bad"}), classify),
      plain(model, label_task({"good", "bad"}));
  Chat chat(engine, reply_task()), alone(model, reply_task());
  // Short texts share a pass, long ones do not; the third label comes from the cache.
  const std::vector<std::string> texts{"a", std::string(200, 'x'), "a", "b"};
  for (const std::string& text : texts) {
    const Analysis both = analyze(classifier, chat, text);
    CHECK(both.classification.scores == plain.classify(text).scores);
    const ChatReply reply = alone.say(text);
    CHECK(both.reply.text == reply.text);
    CHECK(both.reply.prompt_tokens == reply.prompt_tokens);
    CHECK(both.reply.cached_tokens < both.reply.prompt_tokens);
  }
  CHECK(chat.turns().size() == alone.turns().size());
  // A caller who stops after the label, and then says something else.
  analyze(classifier, chat, "c", [](const Classification&) { return false; });
  CHECK(chat.say("d").text == alone.say("d").text);
}

TEST_CASE("chats reject classifiers and options out of range", "[tasks]") {
  const Model model = task_model();
  CHECK_THROWS_AS(Chat(model, label_task({"a"})), Error);
  ChatOptions options;
  options.history_turns = -1;
  CHECK_THROWS_AS(Chat(model, reply_task(), options), Error);
}

TEST_CASE("evaluation counts as the textbook does", "[tasks]") {
  const auto answer = [](int label, double p) {
    Classification result;
    result.label = label;
    result.probabilities = {label == 0 ? p : 1 - p, label == 0 ? 1 - p : p};
    return result;
  };
  std::vector<Classification> results{answer(0, 0.9), answer(0, 0.9), answer(1, 0.9), answer(0, 0.6)};
  results.push_back(answer(1, 0.55));
  results.back().abstained = true;
  const std::vector<int> truth{0, 1, 1, 0, 1};
  const Evaluation e = evaluate(results, truth, 2);
  CHECK(e.texts == 5);
  CHECK(e.answered == 4);
  CHECK(e.accuracy == Approx(3.0 / 5));
  CHECK(e.confusion == std::vector<std::vector<int>>{{2, 0, 0}, {1, 1, 1}});
  CHECK(e.labels[0].precision == Approx(2.0 / 3));
  CHECK(e.labels[0].recall == Approx(1));
  CHECK(e.labels[1].f1 == Approx(2 * 1.0 * (1.0 / 3) / (1 + 1.0 / 3)));
  CHECK(e.macro_f1 == Approx((0.8 + 0.5) / 2));
  // Bins of 1/15: three texts at 0.9 with two right; 0.6 and 0.55 in bins of their own, right.
  CHECK(e.calibration_error == Approx((std::abs(2 - 2.7) + std::abs(1 - 0.6) + std::abs(1 - 0.55)) / 5));
  CHECK(e.log_loss == Approx(-(2 * std::log(0.9) + std::log(0.1) + std::log(0.6) + std::log(0.55)) / 5));
  Classification unparsed;
  const Evaluation none = evaluate(std::vector{unparsed}, std::vector{0}, 2);
  CHECK(none.accuracy == 0);
  CHECK_FALSE(none.scored);
  CHECK_THROWS_AS(evaluate(results, std::vector{0}, 2), Error);
  CHECK_THROWS_AS(evaluate(results, std::vector{0, 1, 2, 0, 1}, 2), Error);
}

TEST_CASE("a chat without a task, and a reply in one call", "[tasks]") {
  const Model model = task_model();
  Chat chat(model);
  std::string streamed;
  SayOptions seeded;
  seeded.seed = 3;
  const ChatReply reply = chat.say(
      "hello", [&](std::string_view text) { streamed += text; }, seeded);
  CHECK(reply.text == streamed);
  CHECK(reply.generation.seed == 3);
  CHECK(chat.turns().size() == 1);
  CHECK(chat.prompt("more").tokens == model.chat_template().render(std::vector<Message>{
                                          {"user", "hello"}, {"assistant", reply.text}, {"user", "more"}}));
  std::string again;
  const std::string text = qwen::reply(model, "hello", [&](std::string_view part) { again += part; });
  CHECK(text == again);
}

TEST_CASE("a long history is windowed as by trying every number of turns", "[tasks]") {
  const Model model = task_model();
  ChatOptions options;
  options.history_turns = 1000;
  options.history_tokens = 150;
  Chat chat(model, reply_task(), options);
  std::vector<ChatTurn> turns;
  for (int i = 0; i < 60; ++i)
    turns.push_back({std::string(static_cast<std::size_t>(i * 7 % 23), 'a'),
                     std::string(static_cast<std::size_t>(i * 5 % 17), 'b')});
  chat.set_turns(turns);
  const Chat::Prompt prompt = chat.prompt("now");
  CHECK(static_cast<int>(prompt.tokens.size()) <= 150);
  const auto rendered = [&](std::size_t first) {
    std::vector<Message> history;
    for (std::size_t i = first; i < turns.size(); ++i) {
      history.push_back({"user", turns[i].user});
      history.push_back({"assistant", turns[i].assistant});
    }
    return model.chat_template().render(reply_task().messages("now", history));
  };
  const auto first = static_cast<std::size_t>(prompt.dropped_turns);
  REQUIRE(first > 0);
  CHECK(prompt.tokens == rendered(first));
  CHECK(rendered(first - 1).size() > 150);
}
