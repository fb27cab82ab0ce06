#include <sentencepiece_processor.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "qwen/chat_template.h"
#include "qwen/error.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;
using ControlTokens = Tokenizer::ControlTokens;
using Catch::Contains;

namespace {

std::string read_file(const std::string& name) {
  std::ifstream in(QWEN_TEST_DATA "/text/" + name, std::ios::binary);
  REQUIRE(in);
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

std::vector<std::string> read_lines(const std::string& name) {
  std::stringstream in(read_file(name));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<Token> numbers(const std::string& line) {
  std::stringstream in(line);
  return {std::istream_iterator<Token>(in), {}};
}

// The pieces of a model as GGUF lists them.
struct Pieces {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t> types;

  explicit Pieces(const std::string& model) {
    sentencepiece::SentencePieceProcessor processor;
    REQUIRE(processor.LoadFromSerializedProto(model).ok());
    for (int id = 0; id < processor.GetPieceSize(); ++id) {
      const std::string& text = processor.IdToPiece(id);
      tokens.push_back(text);
      scores.push_back(processor.GetScore(id));
      const bool user_defined = text == "<td>" || text == "    ";
      types.push_back(processor.IsUnknown(id)   ? 2
                      : processor.IsControl(id) ? 3
                      : user_defined            ? 4
                      : processor.IsByte(id)    ? 6
                                                : 1);
    }
  }
  void fill(test::VocabularyFile& file) const {
    file.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", tokens);
    file.floats("tokenizer.ggml.scores", scores).integers("tokenizer.ggml.token_type", types);
  }
};

// As it comes from a directory, with the model itself.
Tokenizer from_model(const std::string& name) {
  const std::string model = read_file(name + ".model");
  test::VocabularyFile file;
  Pieces(model).fill(file);
  return file.bytes("qwen.sentencepiece.model", model).tokenizer();
}

// As it comes from a GGUF file.
Tokenizer from_pieces() {
  test::VocabularyFile file;
  Pieces(read_file("sp-bpe.model")).fill(file);
  return file.tokenizer();
}

}  // namespace

TEST_CASE("SentencePiece: ids equal spm_encode, decode restores the text", "[tokenizer]") {
  const auto check = [](const Tokenizer& tokenizer, const std::string& name) {
    const std::vector<std::string> lines = read_lines("sp-lines.txt"), ids = read_lines(name + ".ids");
    REQUIRE(lines.size() == ids.size());
    REQUIRE(lines.size() > 200);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      CAPTURE(lines[i]);
      CHECK(tokenizer.encode(lines[i]) == numbers(ids[i]));
      CHECK(tokenizer.decode(numbers(ids[i])) == lines[i]);
    }
  };
  SECTION("BPE from a model file") {
    check(from_model("sp-bpe"), "sp-bpe");
  }
  SECTION("unigram from a model file") {
    check(from_model("sp-unigram"), "sp-unigram");
  }
  SECTION("BPE from GGUF's lists") {
    check(from_pieces(), "sp-bpe");
  }
}

TEST_CASE("SentencePiece: control tokens are parsed only on request", "[tokenizer]") {
  const Tokenizer tokenizer = from_pieces();
  const Token start = tokenizer.find_added_token("<|im_start|>").value();
  for (const Token token : tokenizer.encode("<|im_start|>user<s>")) CHECK_FALSE(tokenizer.is_control(token));
  CHECK(tokenizer.decode(tokenizer.encode("<|im_start|>user<s>")) == "<|im_start|>user<s>");
  CHECK(tokenizer.encode("<|im_start|>", ControlTokens::parse) == std::vector<Token>{start});
  const std::vector<Token> parsed = tokenizer.encode("<|im_start|>user", ControlTokens::parse);
  CHECK(parsed.front() == start);
  CHECK(tokenizer.decode(parsed) == "user");
  // User-defined pieces match anywhere in text.
  const std::vector<Token> tag = tokenizer.encode("<td>");
  CHECK(tokenizer.token_bytes(tag.back()) == "<td>");
  CHECK(tokenizer.encode("").empty());
  const std::vector<Message> messages = {{"user", "<|im_end|>"}};
  const ChatTemplate chat("qwen1.5", tokenizer);
  const std::vector<Token> chatted = chat.render(messages);
  CHECK(std::count(chatted.begin(), chatted.end(), tokenizer.find_added_token("<|im_end|>").value()) == 2);
}

TEST_CASE("SentencePiece: a one-character control token in text is text", "[tokenizer]") {
  Pieces pieces(read_file("sp-bpe.model"));
  const auto at = std::find(pieces.tokens.begin(), pieces.tokens.end(), "好") - pieces.tokens.begin();
  REQUIRE(at < 700);
  pieces.types[static_cast<std::size_t>(at)] = 3;
  test::VocabularyFile file;
  pieces.fill(file);
  const Tokenizer tokenizer = file.tokenizer();
  CHECK(tokenizer.decode(tokenizer.encode("x好，好x")) == "x好，好x");
  CHECK(tokenizer.encode("好", ControlTokens::parse) == std::vector<Token>{static_cast<Token>(at)});
}

TEST_CASE("SentencePiece: user-defined <|...|> tokens are control tokens", "[tokenizer]") {
  Pieces pieces(read_file("sp-bpe.model"));
  for (std::size_t i = 0; i < pieces.tokens.size(); ++i)
    if (pieces.tokens[i] == "<|im_end|>") pieces.types[i] = 4;
  test::VocabularyFile file;
  pieces.fill(file);
  const Tokenizer tokenizer = file.tokenizer();
  const Token end = tokenizer.find_added_token("<|im_end|>").value();
  CHECK(tokenizer.is_control(end));
  for (const Token token : tokenizer.encode("<|im_end|>")) CHECK(token != end);
}

TEST_CASE("SentencePiece: bytes, spaces, streams", "[tokenizer]") {
  const Tokenizer tokenizer = from_pieces();
  const std::string text = "你好  世界 \U0002A6A5\n\n";
  const std::vector<Token> ids = tokenizer.encode(text);
  std::string bytes, streamed;
  TextStream stream(tokenizer);
  for (const Token id : ids) bytes += tokenizer.token_bytes(id), streamed += stream.push(id);
  CHECK(bytes == " " + text);
  CHECK(streamed + stream.finish() == " " + text);  // a stream continues a text
  CHECK(tokenizer.decode(ids) == text);
  CHECK(tokenizer.encode("\xFF") == tokenizer.encode("\uFFFD"));
  CHECK_FALSE(tokenizer.encode(std::string("a\0b", 3)).empty());

  test::VocabularyFile bare;
  Pieces(read_file("sp-bpe.model")).fill(bare);
  const Tokenizer no_prefix = bare.boolean("tokenizer.ggml.add_space_prefix", false).tokenizer();
  CHECK(no_prefix.decode(no_prefix.encode(" a")) == " a");
  CHECK(no_prefix.encode(" a") == tokenizer.encode("a"));
}

TEST_CASE("SentencePiece: padding rows decode to nothing", "[tokenizer]") {
  Pieces pieces(read_file("sp-bpe.model"));
  pieces.tokens.push_back("[PAD700]");
  pieces.scores.push_back(0);
  pieces.types.push_back(5);
  test::VocabularyFile file;
  pieces.fill(file);
  const Tokenizer tokenizer = file.tokenizer();
  REQUIRE(tokenizer.size() == 701);
  CHECK(tokenizer.token_bytes(700).empty());
  CHECK(tokenizer.encode("[PAD700]", ControlTokens::parse).size() > 2);
}

TEST_CASE("SentencePiece: one tokenizer on many threads", "[tokenizer]") {
  const Tokenizer tokenizer = from_pieces();
  const std::vector<std::string> lines = read_lines("sp-lines.txt"), ids = read_lines("sp-bpe.ids");
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < lines.size(); ++i)
        wrong[t] += tokenizer.encode(lines[i]) != numbers(ids[i]);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("SentencePiece: broken vocabularies are rejected with a reason", "[tokenizer]") {
  const Pieces good(read_file("sp-bpe.model"));
  const auto error = [&](auto&& change, std::string_view model = {}) -> std::string {
    Pieces pieces = good;
    change(pieces);
    test::VocabularyFile file;
    pieces.fill(file);
    if (!model.empty()) file.bytes("qwen.sentencepiece.model", model);
    try {
      file.tokenizer();
      return "";
    } catch (const Error& e) {
      CHECK(e.code() != ErrorCode::internal);
      return e.what();
    }
  };
  CHECK(error([](Pieces&) {}).empty());
  CHECK_THAT(error([](Pieces& p) { p.tokens.clear(); }), Contains("tokenizer.ggml.tokens"));
  CHECK_THAT(error([](Pieces& p) { p.scores.pop_back(); }), Contains("expected 700 entries"));
  CHECK_THAT(error([](Pieces& p) { p.types.pop_back(); }), Contains("expected 700 entries"));
  CHECK_THAT(error([](Pieces& p) { p.types[0] = 9; }), Contains("found 9"));
  CHECK_THAT(error([](Pieces& p) { p.types[600] = 6; }), Contains("<0x0A>"));
  CHECK_THAT(error([](Pieces& p) { p.types[0] = 1; }), Contains("rejects"));  // no unknown piece
  CHECK_THAT(error([](Pieces& p) { p.tokens[600] = p.tokens[601]; }), Contains("rejects"));  // twice the same
  CHECK_THAT(error([](Pieces& p) { p.tokens[600] = ""; }), Contains("rejects"));
  CHECK_THAT(error([](Pieces&) {}, "\x12\x7F"), Contains("truncated"));
}
