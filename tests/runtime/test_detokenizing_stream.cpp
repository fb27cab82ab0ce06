#include <catch2/catch.hpp>
#include <random>

#include "base/utf8.h"
#include "qwen/error.h"
#include "runtime/detokenizing_stream.h"

using qwen::runtime::StopStringFilter;

namespace {

struct Outcome {
  std::string text;
  bool matched;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  return out << o.text << (o.matched ? " [stop]" : "");
}

Outcome feed(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopStringFilter matcher(stops);
  std::string text;
  for (const std::string& piece : pieces) {
    const std::string out = matcher.push(piece);
    REQUIRE(qwen::is_valid_utf8(out));
    text += out;
  }
  text += matcher.finish();
  return {text, matcher.matched()};
}

// The definition, over the whole text: the stop string that is complete at the smallest prefix, of these the
// longest.
Outcome reference(const std::vector<std::string>& stops, const std::string& text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0)
        longest = std::max(longest, stop.size());
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

}  // namespace

TEST_CASE("a stop string ends the text wherever the pieces are cut", "[runtime]") {
  CHECK(feed({"END"}, {"some text END more"}) == Outcome{"some text ", true});
  CHECK(feed({"END"}, {"some text E", "N", "D more"}) == Outcome{"some text ", true});
  CHECK(feed({"END"}, {"E", "N", "x", "E", "N", "D"}) == Outcome{"ENx", true});
  CHECK(feed({"END"}, {"END"}) == Outcome{"", true});
  CHECK(feed({"END"}, {"EN"}) == Outcome{"EN", false});
  CHECK(feed({"aab"}, {"a", "a", "a", "b", "c"}) == Outcome{"a", true});
  CHECK(feed({"abab"}, {"aba", "cab", "ab"}) == Outcome{"abac", true});
  CHECK(feed({}, {"a", "b"}) == Outcome{"ab", false});
  CHECK(feed({"。"}, {"你好", "。再见"}) == Outcome{"你好", true});
  CHECK(feed({"好。"}, {"你", "好", "好", "。"}) == Outcome{"你好", true});
  CHECK(feed({"😀!"}, {"a😀", "😀", "!"}) == Outcome{"a😀", true});
}

TEST_CASE("of several stop strings the one that is complete first counts", "[runtime]") {
  CHECK(feed({"abcd", "c"}, {"xabcd"}) == Outcome{"xab", true});
  CHECK(feed({"abcd", "c"}, {"xab", "c", "d"}) == Outcome{"xab", true});
  CHECK(feed({"cd", "bcd", "d"}, {"abcd"}) == Outcome{"a", true});
  CHECK(feed({"x", "x"}, {"ax"}) == Outcome{"a", true});
  // "ab" is held for the first and may no longer be held when the second stop string ends.
  CHECK(feed({"abz", "b y"}, {"ab", " ", "y"}) == Outcome{"a", true});
}

TEST_CASE("text is held back only while it may become a stop string", "[runtime]") {
  StopStringFilter matcher({"\n\nUser:", "###"});
  CHECK(matcher.push("Hello") == "Hello");
  CHECK(matcher.push(" there\n") == " there");
  CHECK(matcher.push("\n") == "");
  CHECK(matcher.push("\n") == "\n");  // the last two line breaks may still begin a stop string
  CHECK(matcher.push("Us") == "");
  CHECK(matcher.push("age") == "\n\nUsage");
  CHECK(matcher.push("#") == "");
  CHECK(matcher.finish() == "#");
  CHECK_FALSE(matcher.matched());
}

TEST_CASE("nothing comes after a stop string", "[runtime]") {
  StopStringFilter matcher({"stop"});
  CHECK(matcher.push("a stop here") == "a ");
  CHECK(matcher.push("more") == "");
  CHECK(matcher.finish() == "");
  CHECK(matcher.matched());
}

TEST_CASE("random texts, stop strings and cuts agree with the definition", "[runtime]") {
  std::mt19937_64 random(11);
  const std::vector<std::string> letters = {"a", "b", "好", "😀"};
  const auto word = [&](std::size_t length) {
    std::string out;
    for (std::size_t i = 0; i < length; ++i) out += letters[random() % letters.size()];
    return out;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stops;
    for (std::size_t i = 0; i < random() % 4; ++i) stops.push_back(word(1 + random() % 5));
    std::vector<std::string> pieces;
    std::string text;
    for (std::size_t i = 0; i < 1 + random() % 12; ++i) {
      pieces.push_back(word(random() % 4));
      text += pieces.back();
    }
    REQUIRE(feed(stops, pieces) == reference(stops, text));
  }
}

TEST_CASE("stop strings that cannot be are refused", "[runtime]") {
  CHECK_THROWS_AS(StopStringFilter({""}), qwen::Error);
  CHECK_THROWS_AS(StopStringFilter({"ok", "\xE5\xA5"}), qwen::Error);
}
