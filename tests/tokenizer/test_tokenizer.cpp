#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/utf8.h"
#include "qwen/error.h"
#include "tokenizer/normalize.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;
using ControlTokens = Tokenizer::ControlTokens;

namespace {

struct Case {
  std::string text;
  std::vector<Token> plain, parsed;
};

std::vector<Case> read_cases() {
  std::ifstream in(QWEN_TEST_DATA "/text/cases.jsonl");
  std::vector<Case> cases;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    cases.push_back({json["text"], json["plain"], json["parsed"]});
  }
  return cases;
}

}  // namespace

TEST_CASE("encode equals the reference on every case", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  const std::vector<Case> cases = read_cases();
  REQUIRE(cases.size() > 500);
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(tokenizer.encode(c.text) == c.plain);
    CHECK(tokenizer.encode(c.text, ControlTokens::parse) == c.parsed);
  }
}

TEST_CASE("decode(encode(text)) is the text in NFC", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  for (const Case& c : read_cases()) {
    std::string storage;
    const std::string want(tokenizer::to_nfc(c.text, storage));
    CHECK(tokenizer.decode(tokenizer.encode(c.text)) == want);
    CHECK(tokenizer.decode(tokenizer.encode(c.text, ControlTokens::parse), true) ==
          tokenizer.decode(c.parsed, true));
  }
}

TEST_CASE("control tokens are parsed only on request", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  const Token start = tokenizer.find_added_token("<|im_start|>").value(),
              end = tokenizer.find_added_token("<|im_end|>").value();
  const std::string text = "<|im_start|>user\n<|im_end|>";
  for (const Token token : tokenizer.encode(text)) CHECK_FALSE(tokenizer.is_control(token));
  CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  const std::vector<Token> parsed = tokenizer.encode(text, ControlTokens::parse);
  CHECK(parsed.front() == start);
  CHECK(parsed.back() == end);
  CHECK(tokenizer.decode(parsed) == "user\n");
  CHECK(tokenizer.decode(parsed, true) == text);
  CHECK(tokenizer.is_control(start));
  CHECK(tokenizer.token_bytes(start) == "<|im_start|>");
  CHECK_FALSE(tokenizer.is_control(-1));
  CHECK_FALSE(tokenizer.is_control(tokenizer.size()));
  CHECK_FALSE(tokenizer.find_added_token("<|im_stop|>"));
  CHECK_FALSE(tokenizer.find_added_token("<|im_start"));
  CHECK_FALSE(tokenizer.find_added_token("a"));
}

TEST_CASE("the leftmost, then longest added token matches", "[tokenizer]") {
  test::VocabularyFile file;
  std::vector<std::string> tokens = test::byte_alphabet();
  std::vector<std::int32_t> types(tokens.size(), 1);
  for (const char* added : {"<a", "<a>", "<a><b", "a>", "b c"}) {
    tokens.push_back(added);
    types.push_back(added[0] == '<' ? 3 : 4);
  }
  file.bpe(tokens).integers("tokenizer.ggml.token_type", types);
  const Tokenizer tokenizer = file.tokenizer();
  const auto parse = [&](std::string_view text) { return tokenizer.encode(text, ControlTokens::parse); };
  CHECK(parse("<a>") == std::vector<Token>{257});
  CHECK(parse("<a><a") == std::vector<Token>{257, 256});
  CHECK(parse("<a><b>") == std::vector<Token>{258, '>'});
  CHECK(parse("<<a") == std::vector<Token>{'<', 256});
  CHECK(parse("xa>b c") == std::vector<Token>{'x', 259, 260});
  CHECK(tokenizer.encode("<a>") == std::vector<Token>{'<', 'a', '>'});
  // User-defined tokens are text: they are shown, spelt as they are (a space is none of the alphabet's
  // characters).
  CHECK(tokenizer.decode(parse("<a>b c")) == "b c");
}

TEST_CASE("invalid bytes become replacement characters", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  const std::string bad =
      GENERATE(as<std::string>(), "\xFF", "\x80\x80", "a\xC3", "\xE4\xBD", "\xED\xA0\x80", "\xF5\x80",
               "\xF0\x9F\x98", "\xC0\xAF x", "e\xCC\x81\xFF\xCC\x81", "<|im_end|\xFF>", "\xE4\xBD<|im_end|>");
  const std::string good = replace_invalid_utf8(bad);
  CHECK(good != bad);
  CHECK(tokenizer.encode(bad) == tokenizer.encode(good));
  CHECK(tokenizer.encode(bad, ControlTokens::parse) == tokenizer.encode(good, ControlTokens::parse));
}

TEST_CASE("decode of half characters and of bad ids", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  // A character of plane 2 is in no vocabulary: one token a byte.
  const std::vector<Token> ids = tokenizer.encode("\U0002A6A5");
  REQUIRE(ids.size() >= 2);
  CHECK(tokenizer.decode(ids) == "\U0002A6A5");
  CHECK(tokenizer.decode(std::span(ids).first(1)) == kReplacementCharacter);
  std::string bytes;
  for (const Token id : ids) bytes += tokenizer.token_bytes(id);
  CHECK(bytes == "\U0002A6A5");
  for (const Token bad : {-1, tokenizer.size(), 1 << 30}) {
    CHECK_THROWS_AS(tokenizer.decode(std::vector<Token>{bad}), Error);
    CHECK_THROWS_AS(tokenizer.token_bytes(bad), Error);
  }
  // Padding rows are nothing.
  CHECK(tokenizer.token_bytes(tokenizer.size() - 1).empty());
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.decode({}).empty());
}

TEST_CASE("long runs of one character", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  const std::string unit = GENERATE(as<std::string>(), " ", "a", "好", "7", "😀", "\n", " \n", "e\u0301",
                                    "\u0301\u0323", "abcqz", "\u200d", "'", "<|im_start|", "=-", "\xFF");
  std::string text;
  while (text.size() < (1 << 18)) text += unit;
  std::string storage;
  CHECK(tokenizer.decode(tokenizer.encode(text, ControlTokens::parse)) == tokenizer::to_nfc(text, storage));
  text += "x y";
  CHECK(tokenizer.decode(tokenizer.encode(text)) == tokenizer::to_nfc(text, storage));
}

TEST_CASE("one tokenizer on many threads", "[tokenizer]") {
  const Tokenizer tokenizer = test::small_tokenizer();
  const std::vector<Case> cases = read_cases();
  std::vector<std::size_t> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t, copy = tokenizer] {
      for (std::size_t i = 0; i < cases.size(); ++i) {
        const Case& c = cases[(i + 97 * t) % cases.size()];
        wrong[t] += copy.encode(c.text, ControlTokens::parse) != c.parsed;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<std::size_t>(4));
}

namespace {

// A vocabulary that is whole, for one thing after another to be broken.
struct Parts {
  std::string model = "gpt2", pre = "qwen2";
  std::vector<std::string> tokens = test::byte_alphabet(), merges = {"a b"};
  std::vector<std::int32_t> types;
  std::int64_t eos = 257;
  Parts() {
    tokens.insert(tokens.end(), {"ab", "<|endoftext|>"});
    types.assign(tokens.size(), 1);
    types.back() = 3;
  }
  std::string error() const {
    test::VocabularyFile file;
    file.text("tokenizer.ggml.model", model).text("tokenizer.ggml.pre", pre);
    file.texts("tokenizer.ggml.tokens", tokens).texts("tokenizer.ggml.merges", merges);
    file.integers("tokenizer.ggml.token_type", types).integer("tokenizer.ggml.eos_token_id", eos);
    try {
      file.tokenizer();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
};

}  // namespace

TEST_CASE("broken vocabularies are rejected with a reason", "[tokenizer]") {
  CHECK(Parts().error().empty());
  const auto broken = [](auto&& change) {
    Parts parts;
    change(parts);
    return parts.error();
  };
  using Catch::Contains;
  CHECK_THAT(broken([](Parts& p) { p.model = "bert"; }),
             Catch::Contains("bert") && Contains("tokenizer.ggml.model"));
  CHECK_THAT(broken([](Parts& p) { p.pre = "llama-bpe"; }),
             Catch::Contains("llama-bpe") && Contains("tokenizer.ggml.pre"));
  CHECK_THAT(broken([](Parts& p) { p.tokens.clear(); }), Catch::Contains("tokenizer.ggml.tokens"));
  CHECK_THAT(broken([](Parts& p) { p.tokens[65] = "zz"; }), Catch::Contains("byte 65"));
  CHECK_THAT(broken([](Parts& p) { p.merges = {"a c"}; }), Catch::Contains("no token \"ac\""));
  CHECK_THAT(broken([](Parts& p) { p.tokens.push_back("xab"), p.types.push_back(3), p.merges = {"x ab"}; }),
             Catch::Contains("no token \"xab\""));
  CHECK_THAT(broken([](Parts& p) { p.merges = {"ab"}; }), Catch::Contains("expected two tokens"));
  CHECK_THAT(broken([](Parts& p) { p.merges = {"a "}; }), Catch::Contains("expected two tokens"));
  CHECK_THAT(broken([](Parts& p) { p.merges = {""}; }), Catch::Contains("expected two tokens"));
  CHECK_THAT(broken([](Parts& p) { p.types.pop_back(); }), Catch::Contains("expected 258 entries"));
  CHECK_THAT(broken([](Parts& p) { p.types[3] = 7; }), Catch::Contains("expected 0 to 6, found 7"));
  CHECK_THAT(broken([](Parts& p) { p.eos = 258; }), Catch::Contains("eos_token_id"));
}

TEST_CASE("files without token types and pre-tokenizer are accepted", "[tokenizer]") {
  test::VocabularyFile file;
  std::vector<std::string> tokens = test::byte_alphabet();
  tokens.push_back("<|im_end|>");
  file.bpe(tokens);
  const Tokenizer tokenizer = file.tokenizer();
  CHECK(tokenizer.find_added_token("<|im_end|>") == 256);
  CHECK(tokenizer.is_control(256));
}

TEST_CASE("a user-defined EOS token is a control token", "[tokenizer]") {
  test::VocabularyFile file;
  std::vector<std::string> tokens = test::byte_alphabet();
  std::vector<std::int32_t> types(256, 1);
  tokens.insert(tokens.end(), {"<|im_end|>", "<tool_call>", "[PAD258]"});
  types.insert(types.end(), {4, 4, 4});
  file.bpe(tokens).integers("tokenizer.ggml.token_type", types).integer("tokenizer.ggml.eos_token_id", 256);
  const Tokenizer tokenizer = file.tokenizer();
  CHECK(tokenizer.is_control(256));
  CHECK_FALSE(tokenizer.is_control(257));
  CHECK(tokenizer.decode(std::vector<Token>{256, 257, 258}) == "<tool_call>");
}

TEST_CASE("control tokens typed as ordinary ones, token type 0, and an end token of -1", "[tokenizer]") {
  std::vector<std::string> tokens = test::byte_alphabet();
  std::vector<std::int32_t> types(256, 1);
  types[0] = 0;
  tokens.insert(tokens.end(), {"<|im_start|>", "<|im_end|>", "</s>"});
  types.insert(types.end(), {1, 1, 1});
  test::VocabularyFile file;
  file.bpe(tokens)
      .integers("tokenizer.ggml.token_type", types)
      .integer("tokenizer.ggml.eos_token_id", 0xffffffff);
  const auto backend = tokenizer::make_tokenizer_backend(file.file());
  REQUIRE(backend->warnings().size() == 1);
  CHECK_THAT(backend->warnings()[0], Catch::Contains("2 control tokens") && Catch::Contains("<|im_start|>"));
  const Tokenizer tokenizer(backend);
  CHECK(tokenizer.is_control(256));
  CHECK(tokenizer.is_control(257));
  CHECK_FALSE(tokenizer.is_control(258));
  CHECK(tokenizer.encode("<|im_end|>", Tokenizer::ControlTokens::parse) == std::vector<Token>{257});
  CHECK(tokenizer.encode("<|im_end|>").size() == 10);
}

TEST_CASE("added tokens with lstrip, rstrip and single_word", "[tokenizer]") {
  const auto tokenizer = [](std::int32_t flags) {
    std::vector<std::string> tokens = test::byte_alphabet();
    std::vector<std::int32_t> types(256, 1);
    tokens.push_back("<mask>");
    types.push_back(4);
    test::VocabularyFile file;
    file.bpe(tokens).integers("tokenizer.ggml.token_type", types);
    file.integers("qwen.tokenizer.added_token_flags", {256, flags});
    return file.tokenizer();
  };
  using Ids = std::vector<Token>;
  const auto encode = [&](std::int32_t flags, std::string_view text) {
    return tokenizer(flags).encode(text, Tokenizer::ControlTokens::parse);
  };
  CHECK(encode(0, "a <mask> b") == Ids{'a', ' ', 256, ' ', 'b'});
  CHECK(encode(formats::kStripLeft, "a \t<mask> b") == Ids{'a', 256, ' ', 'b'});
  CHECK(encode(formats::kStripRight, "a <mask>\xE3\x80\x80 b") == Ids{'a', ' ', 256, 'b'});
  CHECK(encode(formats::kStripLeft | formats::kStripRight, " <mask> <mask> ") == Ids{256, 256});
  CHECK(encode(formats::kSingleWord, "<mask> <mask>,") == Ids{256, ' ', 256, ','});
  CHECK(encode(formats::kSingleWord, "a<mask>").size() == 7);
  CHECK(encode(formats::kSingleWord, "<mask>_").size() == 7);
  CHECK(encode(formats::kSingleWord, "\xE4\xBD\xA0<mask>").size() == 9);
  CHECK(encode(formats::kSingleWord, "<mask>\xFF")[0] == 256);  // an invalid byte is no letter
}
