#include <catch2/catch.hpp>
#include <random>

#include "base/utf8.h"
#include "qwen/error.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;

TEST_CASE("a stream returns whole characters and all of decode's text", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  std::mt19937 random(11);
  for (int i = 0; i < 3000; ++i) {
    std::vector<Token> tokens;
    for (auto n = random() % 30; n > 0; --n) {
      if (random() % 3 == 0) {
        for (const Token token : tokenizer.encode("\U0002A6A5é好")) tokens.push_back(token);
      } else {
        tokens.push_back(static_cast<Token>(random() % static_cast<unsigned>(tokenizer.size())));
      }
    }
    TextStream stream(tokenizer);
    std::string joined;
    for (const Token token : tokens) {
      const std::string text = stream.push(token);
      REQUIRE(is_valid_utf8(text));
      joined += text;
    }
    joined += stream.finish();
    REQUIRE(joined == tokenizer.decode(tokens));
    REQUIRE(stream.finish().empty());
  }
}

TEST_CASE("a character is returned with the token that completes it", "[tokenizer]") {
  test::VocabularyFile file;
  std::vector<std::string> tokens = test::byte_alphabet();
  tokens.push_back("<|im_end|>");
  file.bpe(tokens);
  TextStream stream(file.tokenizer());
  const auto push = [&](int byte) { return stream.push(byte); };
  CHECK(push(0xF0).empty());
  CHECK(push(0x9F).empty());
  CHECK(push(0x98).empty());
  CHECK(push(0x80) == "😀");
  CHECK(push('a') == "a");
  // An invalid sequence is returned as soon as it is known; the byte that ended it starts a new one.
  CHECK(push(0xE4).empty());
  CHECK(push('b') ==
        "\uFFFD"
        "b");
  CHECK(push(0xFF) == "\uFFFD");
  // A control token neither adds text nor ends the character that is being built.
  CHECK(push(0xC3).empty());
  CHECK(push(256).empty());
  CHECK(push(0xA9) == "é");
  CHECK(push(0xE4).empty());
  CHECK(push(0xBD).empty());
  CHECK(stream.finish() == "\uFFFD");
  CHECK(stream.finish().empty());
  CHECK_THROWS_AS(push(257), Error);
}
