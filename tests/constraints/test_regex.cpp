#include "constraints/regex.h"

#include <catch2/catch.hpp>
#include <random>
#include <regex>
#include <string>

#include "qwen/error.h"

using namespace qwen;
using namespace qwen::constraints;

namespace {

// A random pattern over a few characters, of the constructs that std::regex has too.
std::string random_pattern(std::mt19937& random, int depth) {
  const auto pick = [&](std::initializer_list<const char*> list) {
    return std::string(list.begin()[random() % list.size()]);
  };
  switch (depth > 0 ? random() % 7 : 0) {
    case 0: return pick({"a", "b", "c", "[ab]", "[^a]", ".", "\\d", "\\w", "1", "[a-c1]"});
    case 1:
    case 2: return random_pattern(random, depth - 1) + random_pattern(random, depth - 1);
    case 3: return "(" + random_pattern(random, depth - 1) + "|" + random_pattern(random, depth - 1) + ")";
    case 4:
      return "(" + random_pattern(random, depth - 1) + ")" +
             pick({"*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?"});
    case 5: return "(^" + random_pattern(random, depth - 1) + "|" + random_pattern(random, depth - 1) + ")";
    default: return "(" + random_pattern(random, depth - 1) + "|" + random_pattern(random, depth - 1) + "$)";
  }
}

std::string error_of(const std::string& pattern) {
  try {
    CompileBudget budget;
    compile_regex(pattern, RegexMatch::search, budget);
    return "";
  } catch (const Error& error) {
    return to_string(error.code());
  }
}

}  // namespace

TEST_CASE("patterns match as std::regex does", "[constraints]") {
  std::mt19937 random(11);
  int matches = 0;
  for (int round = 0; round < 400; ++round) {
    const std::string pattern = random_pattern(random, 3);
    CompileBudget budget;
    const CharDfa search = compile_regex(pattern, RegexMatch::search, budget);
    const CharDfa whole = compile_regex(pattern, RegexMatch::whole, budget);
    const std::regex reference(pattern, std::regex::ECMAScript);
    for (int i = 0; i < 40; ++i) {
      std::string text;
      for (std::size_t n = random() % 7; n > 0; --n) text += "abc1"[random() % 4];
      CAPTURE(pattern, text);
      REQUIRE(search.accepts(text) == std::regex_search(text, reference));
      REQUIRE(whole.accepts(text) == std::regex_match(text, reference));
      matches += search.accepts(text);
    }
  }
  CHECK(matches > 1000);
}

TEST_CASE("escapes and classes of patterns", "[constraints]") {
  const auto matches = [](const char* pattern, const char* text) {
    CompileBudget budget;
    return compile_regex(pattern, RegexMatch::whole, budget).accepts(text);
  };
  CHECK(matches("\\u4f60\\x41\\u{1F600}",
                "\xE4\xBD\xA0"
                "A\xF0\x9F\x98\x80"));
  CHECK(matches("\\uD83D\\uDE00", "\xF0\x9F\x98\x80"));
  CHECK(matches("[\\]\\-a^]+", "]-a^"));
  CHECK(matches("[a-]+", "a-"));
  CHECK(matches("\\s\\S", " x"));
  CHECK(matches("\\$\\.\\/", "$./"));
  CHECK(matches("(?:a)(?<name>b)", "ab"));
  CHECK(matches("[^\\d]", "x"));
  CHECK_FALSE(matches("[^\\d]", "1"));
  CHECK(matches("\\cJ", "\n"));
  CHECK_FALSE(matches("[]", "a"));
  CHECK(matches("[^]", "\n"));
}

TEST_CASE("unsupported and malformed patterns are told apart", "[constraints]") {
  for (const char* pattern :
       {"(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "\\1", "\\k<a>", "a\\b", "\\B", "\\p{L}", "\\P{L}", "\\01"})
    CHECK(error_of(pattern) == "unsupported");
  for (const char* pattern : {"(", ")", "[a", "a**", "*", "a{1", "{1}", "\\", "[b-a]", "a{2,1}", "(?<a",
                              "\\u12", "\\xg0", "^*", "]"})
    CHECK(error_of(pattern) == "bad_format");
}
