// The bundled model from end to end: it loads from memory, classifies reviews and chats.
#include <catch2/catch.hpp>
#include <fstream>
#include <optional>

#include "qwen/qwen.h"

using namespace qwen;

namespace {

// Null, with a warning in the output, if the library was built without it.
std::optional<Model> bundled_model(const LoadOptions& options = {}) {
  try {
    return Model::builtin(options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
    WARN("skipped: " << error.what());
    return std::nullopt;
  }
}

struct Review {
  int label;  // of the sentiment tasks: 0 positive, 1 negative
  std::string text;
};

// tests/data/mini_reviews.tsv: "1<TAB>text" is positive, "0<TAB>text" negative.
std::vector<Review> read_reviews() {
  std::ifstream in(QWEN_TEST_DATA "/mini_reviews.tsv");
  std::vector<Review> reviews;
  for (std::string line; std::getline(in, line);) {
    REQUIRE((line.starts_with("1\t") || line.starts_with("0\t")));
    reviews.push_back({line[0] == '1' ? 0 : 1, line.substr(2)});
  }
  return reviews;
}

int right_answers(Classifier& classifier, const std::vector<Review>& reviews, ClassifyMode mode) {
  int right = 0;
  for (const Review& review : reviews) {
    CAPTURE(review.text);
    const Classification result = classifier.classify(review.text, mode);
    CHECK(result.label >= 0);
    right += result.label == review.label ? 1 : 0;
  }
  return right;
}

ChatReply greedy_reply(const Model& model, const std::string& text) {
  ChatOptions options;
  options.sampling = SamplingOptions{};
  options.sampling->temperature = 0;
  Chat chat(model, TaskRegistry().get("chat"), options);
  return chat.say(text);
}

bool ends_a_sentence(const std::string& text) {
  for (const char* mark : {"。", "！", "？", "～", ".", "!", "?"})
    if (text.ends_with(mark)) return true;
  return false;
}

}  // namespace

TEST_CASE("the bundled model is a small qwen2 that says what it is", "[runtime]") {
  const auto model = bundled_model();
  if (!model) return;
  const ModelInfo& info = model->info();
  CHECK(info.architecture == "qwen2");
  CHECK(info.source == "builtin");
  CHECK(info.shape.tied_head);
  CHECK(info.shape.qkv_bias);
  CHECK(info.file_type == "Q8_0");
  CHECK(info.parameters >= 5'000'000);
  CHECK(info.parameters <= 12'000'000);
  CHECK(info.chat_template == "custom");
  CHECK(model->fingerprint() == bundled_model()->fingerprint());
}

TEST_CASE("the bundled model tells positive reviews from negative ones", "[runtime]") {
  const auto model = bundled_model();
  if (!model) return;
  const std::vector<Review> reviews = read_reviews();
  REQUIRE(reviews.size() == 20);
  for (const char* name : {"sentiment", "sentiment_brief"}) {
    CAPTURE(name);
    Classifier classifier(*model, TaskRegistry().get(name));
    CHECK(right_answers(classifier, reviews, ClassifyMode::score) >= 19);
    CHECK(right_answers(classifier, reviews, ClassifyMode::generate) >= 19);
  }
}

TEST_CASE("the bundled model answers in whole sentences", "[runtime]") {
  const auto model = bundled_model();
  if (!model) return;
  for (const char* text : {"你好", "你是谁？", "谢谢你", "Hello!"}) {
    CAPTURE(text);
    const ChatReply reply = greedy_reply(*model, text);
    CAPTURE(reply.text);
    CHECK(reply.finish == FinishReason::end_of_turn);
    CHECK(reply.text.size() >= 6);
    CHECK(ends_a_sentence(reply.text));
  }
  CHECK(greedy_reply(*model, "你是谁？").text.find("libqwen") != std::string::npos);
}

TEST_CASE("the bundled model's greedy text does not depend on threads or on the batch", "[runtime]") {
  LoadOptions one, three;
  one.threads = 1;
  three.threads = 3;
  const auto a = bundled_model(one), b = bundled_model(three);
  if (!a || !b) return;
  CHECK(greedy_reply(*a, "你好").text == greedy_reply(*b, "你好").text);
  const auto prompt = a->tokenizer().encode("房间很干净，服务也好，");
  GenerateOptions options;
  options.sampling = SamplingOptions{.temperature = 0};
  options.max_new_tokens = 24;
  SessionOptions whole, pieces;
  pieces.prefill_chunk = 3;
  Session first(*a, whole), second(*b, pieces);
  CHECK(generate(first, prompt, options).tokens == generate(second, prompt, options).tokens);
}

TEST_CASE("the bundled model runs in exact arithmetic too", "[runtime]") {
  LoadOptions exact;
  exact.reference = true;
  exact.threads = 1;
  const auto model = bundled_model(exact);
  if (!model) return;
  Classifier classifier(*model, TaskRegistry().get("sentiment"));
  CHECK(classifier.classify("太差了，再也不会来了。").label == 1);
}
