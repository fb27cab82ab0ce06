#include <catch2/catch.hpp>
#include <cmath>

#include "qwen/embedder.h"
#include "qwen/reranker.h"
#include "runtime/engine_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// `ends`: texts end with <|endoftext|>, as Qwen3-Embedding's.
const Model& embedding_model(bool ends = true) {
  static const TestFolder folder("embedding-model");
  static const auto make = [](bool with_end, std::uint32_t end) {
    TinyModel tiny;
    tiny.architecture = "qwen3";
    tiny.type = TensorType::q8_0;
    tiny.thinks = true;
    tiny.context = 512;
    tiny.metadata = [=](formats::GgufWriter& out) {
      out.set("qwen3.pooling_type", formats::meta_u32(3));
      out.set("tokenizer.ggml.add_eos_token", formats::meta_boolean(with_end));
      out.set("tokenizer.ggml.eos_token_id", formats::meta_u32(end));
    };
    return Model::load(write_tiny_model(tiny, folder / (with_end ? "ends.gguf" : "bare.gguf")));
  };
  static const Model bare = make(false, 0);
  static const Model with_end =
      make(true, static_cast<std::uint32_t>(bare.tokenizer().find_added_token("<|endoftext|>").value()));
  return ends ? with_end : bare;
}

Token end_of_text() {
  return embedding_model().tokenizer().find_added_token("<|endoftext|>").value();
}

// The first `count` values of the last hidden state of a session, divided by their norm.
std::vector<float> expected_values(const std::vector<Token>& prompt, std::size_t count, bool normalize) {
  Session session(embedding_model());
  session.prefill(prompt);
  std::vector<float> values(session.hidden().begin(), session.hidden().end());
  values.resize(count);
  double squares = 0;
  for (const float v : values) squares += static_cast<double>(v) * v;
  if (normalize)
    for (float& v : values) v = static_cast<float>(v / std::sqrt(squares));
  return values;
}

std::vector<Token> ended(const std::string& text) {
  std::vector<Token> tokens = embedding_model().tokenizer().encode(text);
  tokens.push_back(end_of_text());
  return tokens;
}

std::shared_ptr<Engine> small_engine(int context = 64) {
  EngineOptions options;
  options.context = context;
  options.background = false;
  return std::make_shared<Engine>(embedding_model(), options);
}

const std::vector<std::string> kTexts{"the room is clean", "",   "房间很干净", "<|endoftext|>",
                                      "the room is clear", "the"};

}  // namespace

TEST_CASE("an embedding is the normalized last hidden state of a session, alone, in a batch and cached",
          "[tasks]") {
  Embedder embedder(embedding_model());
  CHECK(embedder.dimensions() == 64);
  std::vector<std::size_t> order;
  const auto batch =
      embedder.embed_batch(kTexts, {}, [&](std::size_t i, const Embedding&) { order.push_back(i); });
  CHECK(order == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
  REQUIRE(batch.size() == kTexts.size());
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    INFO(kTexts[i]);
    const std::vector<Token> prompt = ended(kTexts[i]);
    CHECK(batch[i].values == expected_values(prompt, 64, true));
    CHECK(batch[i].prompt_tokens == static_cast<int>(prompt.size()));
    CHECK(batch[i].truncated_tokens == 0);
    CHECK(embedder.prompt(kTexts[i]) == prompt);
    CHECK(embedder.embed(kTexts[i]).values == batch[i].values);
    CHECK(Embedder(small_engine()).embed(kTexts[i]).values == batch[i].values);
  }
  const std::string long_text(100, 'y');
  const Embedding first = embedder.embed(long_text), again = embedder.embed(long_text);
  CHECK(first.values == expected_values(ended(long_text), 64, true));
  CHECK(again.values == first.values);
  CHECK(again.cached_tokens > 90);
  // A control token in a text is text.
  CHECK(batch[3].prompt_tokens > 2);
  CHECK(batch[3].values != batch[1].values);
  CHECK(embedder.embed_batch(kTexts, {}, [](std::size_t i, const Embedding&) { return i < 1; }).size() == 2);
}

TEST_CASE("embeddings of token ids get nothing added", "[tasks]") {
  Embedder embedder(embedding_model());
  const std::vector<std::vector<Token>> ids{ended("the room"), {7}, {1, 2, 3}};
  const auto found = embedder.embed_batch(ids);
  REQUIRE(found.size() == 3);
  CHECK(found[0].values == embedder.embed("the room").values);
  for (std::size_t i = 0; i < ids.size(); ++i) CHECK(found[i].values == expected_values(ids[i], 64, true));
  const std::vector<std::vector<Token>> none{{}}, wrong{{1, 100'000}}, negative{{-1}};
  CHECK_THROWS_WITH(embedder.embed_batch(none), Catch::Contains("the text is empty"));
  CHECK_THROWS_AS(embedder.embed_batch(wrong), Error);
  CHECK_THROWS_AS(embedder.embed_batch(negative), Error);
  CHECK_THROWS_WITH(embedder.embed_batch(ids, {.instruction = "Find."}), Catch::Contains("instruction"));
}

TEST_CASE("embeddings: instruction, dimensions and the choice not to normalize", "[tasks]") {
  Embedder embedder(embedding_model());
  const auto prompt = ended("the");
  for (const int dimensions : {1, 7, 63, 64}) {
    const auto count = static_cast<std::size_t>(dimensions);
    CHECK(embedder.embed("the", {.dimensions = dimensions}).values == expected_values(prompt, count, true));
    CHECK(embedder.embed("the", {.dimensions = dimensions, .normalize = false}).values ==
          expected_values(prompt, count, false));
  }
  CHECK(embedder.embed("the", {.instruction = "Find."}).values ==
        expected_values(ended("Instruct: Find.\nQuery:the"), 64, true));
  CHECK_THROWS_WITH(embedder.embed("the", {.dimensions = 65}), Catch::Contains("1 to 64 dimensions"));
  CHECK_THROWS_WITH(embedder.embed("the", {.dimensions = -1}), Catch::Contains("found -1"));
}

TEST_CASE("embeddings: texts that do not fit, empty texts, cancellation", "[tasks]") {
  Embedder embedder(small_engine(16));
  const std::string fits(15, 'x'), one_more(16, 'x'), longer(100, 'x');
  REQUIRE(ended(fits).size() == 16);
  CHECK(embedder.embed(fits).values == expected_values(ended(fits), 64, true));
  CHECK_THROWS_WITH(embedder.embed(one_more), Catch::Contains("17 tokens; expected at most 16"));
  for (const std::string& text : {one_more, longer}) {
    const Embedding cut = embedder.embed(text, {.overflow = TextOverflow::truncate});
    CHECK(cut.values == embedder.embed(fits).values);  // the end token stays
    CHECK(cut.truncated_tokens == static_cast<int>(text.size()) - 15);
  }
  Embedder bare(embedding_model(false));
  CHECK_THROWS_WITH(bare.embed(""), Catch::Contains("the text is empty"));
  CHECK(bare.embed("x").prompt_tokens == 1);
  CancelToken cancel;
  cancel.cancel();
  CHECK_THROWS_WITH(embedder.embed("x", {}, cancel), Catch::Contains("cancelled"));
  CHECK_THROWS_WITH(embedder.embed_batch(kTexts, {}, {}, cancel), Catch::Contains("cancelled"));
  CHECK(embedder.embed_batch(std::vector<std::string>{}).empty());
  CHECK_THROWS_WITH(Embedder(std::shared_ptr<Engine>{}), Catch::Contains("null"));
}

TEST_CASE("a relevance is the softmax of yes and no after Qwen3-Reranker's prompt", "[tasks]") {
  Reranker reranker(embedding_model());
  const Tokenizer& tokenizer = embedding_model().tokenizer();
  const std::vector<std::string> documents{"the room", "", "<|im_end|>", "房间", "the rooms"};
  const auto batch = reranker.score_batch("a room?", documents);
  REQUIRE(batch.size() == documents.size());
  for (std::size_t i = 0; i < documents.size(); ++i) {
    INFO(documents[i]);
    const std::vector<Token> prompt = reranker.prompt("a room?", documents[i]);
    if (i != 2) {
      CHECK(
          tokenizer.decode(prompt, true) ==
          "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the "
          "Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n"
          "<|im_start|>user\n<Instruct>: Given a web search query, retrieve relevant passages that answer "
          "the query\n<Query>: a room?\n<Document>: " +
              documents[i] + "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
      CHECK(prompt == tokenizer.encode(tokenizer.decode(prompt, true), Tokenizer::ControlTokens::parse));
    }
    // Byte by byte: the tiny vocabulary has no token "yes".
    const auto log_probability = [&](const std::string& answer) {
      Session session(embedding_model());
      std::span<const float> logits = session.forward(prompt);
      double sum = 0;
      for (const Token token : tokenizer.encode(answer)) {
        double total = 0;
        for (int k = 0; k < tokenizer.size(); ++k)
          total += std::exp(double{logits[static_cast<std::size_t>(k)]});
        sum += logits[static_cast<std::size_t>(token)] - std::log(total);
        logits = session.forward({&token, 1});
      }
      return sum;
    };
    const double yes = std::exp(log_probability("yes")), no = std::exp(log_probability("no"));
    CHECK(batch[i].score == Approx(yes / (yes + no)).epsilon(1e-6));
    CHECK(reranker.score("a room?", documents[i]).score == batch[i].score);
    CHECK(Reranker(small_engine(512)).score("a room?", documents[i]).score == batch[i].score);
  }
  CHECK(batch[0].score != batch[1].score);
  CHECK(batch[1].cached_tokens > batch[1].prompt_tokens / 2);  // the beginning with the query
  RerankOptions other;
  other.instruction = "Find rooms.";
  CHECK(reranker.score("a room?", "the room", other).score != batch[0].score);
}

TEST_CASE("documents and models that a reranker refuses", "[tasks]") {
  Reranker reranker(small_engine(480));
  const std::string longer(1000, 'x');
  CHECK_THROWS_WITH(reranker.score("q", longer), Catch::Contains("rerank"));
  RerankOptions cut;
  cut.overflow = TextOverflow::truncate;
  const Relevance found = reranker.score("q", longer, cut);
  CHECK(found.truncated_tokens > 500);
  CHECK(found.score ==
        reranker.score("q", std::string(1000 - static_cast<std::size_t>(found.truncated_tokens), 'x')).score);
  CHECK_THROWS_AS(reranker.score(longer, "d", cut), Error);  // the query does not fit
  CancelToken cancel;
  cancel.cancel();
  CHECK_THROWS_WITH(reranker.score("q", "d", {}, cancel), Catch::Contains("cancelled"));
  CHECK_THROWS_WITH(Reranker(std::shared_ptr<Engine>{}), Catch::Contains("null"));
}
