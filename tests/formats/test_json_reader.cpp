#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "formats/json_reader.h"

using namespace qwen;
using Catch::Matchers::Contains;
using formats::JsonReader;

namespace {

std::string one_string(const std::string& text) {
  JsonReader in(text, "t.json");
  const std::string out(in.string());
  in.finish();
  return out;
}

bool accepts(const std::string& text) {
  try {
    JsonReader in(text, "t.json");
    in.skip();
    in.finish();
    return true;
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_format);
    return false;
  }
}

}  // namespace

TEST_CASE("JSON values of every kind are read", "[formats]") {
  const std::string text =
      R"( {"a": 1, "b": [1.5, -2e3, 7], "c": "x\u00e9\ud83d\ude00\n\/", "d": null, "e": true,
    "f": {"g": false}, "h": {}, "i": []} )";
  JsonReader in(text, "t.json");
  std::vector<double> numbers;
  std::string c;
  int members = 0;
  in.object([&](std::string_view key) {
    ++members;
    if (key == "a")
      CHECK(in.integer(0, 1) == 1);
    else if (key == "b")
      in.array([&] { numbers.push_back(in.real()); });
    else if (key == "c")
      c = in.string();
    else if (key == "d")
      CHECK(in.null());
    else if (key == "e")
      CHECK(in.boolean());
    else
      in.skip();
  });
  in.finish();
  CHECK(members == 8);
  CHECK(numbers == std::vector<double>{1.5, -2000, 7});
  CHECK(c == "x\xC3\xA9\xF0\x9F\x98\x80\n/");
}

TEST_CASE("JSON strings without escapes point into the text", "[formats]") {
  const std::string text = R"({"k\u0041": "v\u0042", "plain": "text"})";
  JsonReader in(text, "t.json");
  in.object([&](std::string_view key) {
    const auto value = in.string();
    if (key == "kA") {
      CHECK(value == "vB");
      CHECK_FALSE(in.stable(value));
    } else {
      CHECK(key == "plain");
      CHECK(in.stable(value));
      CHECK(in.stable(key));
    }
  });
  CHECK(one_string("\xEF\xBB\xBF\"after a byte order mark\"") == "after a byte order mark");
}

TEST_CASE("JSON errors name file, line and column", "[formats]") {
  const auto error = [](const std::string& text) -> std::string {
    try {
      JsonReader in(text, "t.json");
      in.skip();
      in.finish();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  CHECK(error("{\"a\": 1,\n \"b\" 2}") == "t.json:2:6: expected ':', found \"2}\"");
  CHECK(error("") == "t.json:1:1: expected a value, found the end of the file");
  CHECK(error("[1, 2") == "t.json:1:6: expected ',' or ']', found the end of the file");
  CHECK(error("{} x") == "t.json:1:4: expected the end of the file, found \"x\"");
  CHECK(error("[1,]") == "t.json:1:4: expected a value, found \"]\"");
  CHECK(error("{a: 1}") == "t.json:1:2: expected a key, found \"a: 1}\"");
  CHECK(error("\"\\ud800\"") == "t.json:1:8: half of a surrogate pair in a string");
  CHECK(error(std::string(65, '[')) == "t.json:1:65: nested deeper than 64 levels");
  const auto number = [](const std::string& text, std::int64_t low, std::int64_t high) -> std::string {
    try {
      JsonReader(text, "t.json").integer(low, high);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  CHECK_THAT(number("9223372036854775808", 0, 5), Contains("expected an integer from 0 to 5"));
  CHECK_THAT(number("6", 0, 5), Contains("found \"6\""));
  CHECK_THAT(number("-1", 0, 5), Contains("found \"-1\""));
  CHECK_THAT(number("1.0", 0, 5), Contains("expected an integer, found \"1.0\""));
  CHECK_THAT(number("\"1\"", 0, 5), Contains("expected a number"));
}

TEST_CASE("invalid JSON is rejected", "[formats]") {
  for (const char* text : {"01",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "-",
                           "tru",
                           "nul",
                           "NaN",
                           "'a'",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"\\u+123\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"a\nb\"",
                           "\"\xff\"",
                           "\"\xed\xa0\x80\"",
                           "[1 2]",
                           "{\"a\":}",
                           "{\"a\"}",
                           "{,}",
                           "[,]",
                           "{\"a\":1,}",
                           "// c\n1",
                           "1 1",
                           "]"})
    CHECK_FALSE(accepts(text));
}

TEST_CASE("the JSON reader agrees with nlohmann's on mutations", "[formats]") {
  const std::string seeds[] = {
      R"({"a":[1,-2.5,3e2,0],"b":{"c":"x\u00e9\ud83d\ude00\t","d":null},"e":[true,false],"":""})",
      "[\"\xE4\xBD\xA0\xE5\xA5\xBD\", {\"k\": [[[]]]}, 12345]",
  };
  std::mt19937 random(7);
  const std::string alphabet = "{}[]\",:\\u0019eE+-.tfn \n\xE4\xBD\xff";
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = seeds[random() % 2];
    for (auto n = random() % 3 + 1; n > 0; --n) {
      const std::size_t at = random() % text.size();
      if (random() % 2 == 0)
        text[at] = alphabet[random() % alphabet.size()];
      else if (random() % 2 == 0)
        text.erase(at, 1);
      else
        text.insert(at, 1, alphabet[random() % alphabet.size()]);
    }
    // Both read numbers; only nlohmann's refuses those beyond a double.
    if (text.find_first_of("eE") != std::string::npos && text.find("e2") == std::string::npos) continue;
    const bool expected = nlohmann::json::accept(text);
    accepted += expected ? 1 : 0;
    if (accepts(text) != expected) {
      CAPTURE(text);
      CHECK(accepts(text) == expected);
    }
  }
  CHECK(accepted > 500);
}
