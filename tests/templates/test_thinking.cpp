#include <catch2/catch.hpp>

#include "qwen/thinking.h"

using namespace qwen;

namespace {

struct Split {
  std::string reasoning, answer;
  bool operator==(const Split&) const = default;
};

// The text in pieces of `size` bytes.
Split split(std::string_view text, bool in_thought, std::size_t size) {
  ThoughtSplitter splitter(in_thought);
  Split out;
  const auto add = [&](const ThoughtSplitter::Parts& parts) {
    if (!parts.reasoning.empty()) CHECK(out.answer.empty());
    out.reasoning += parts.reasoning;
    out.answer += parts.answer;
  };
  for (std::size_t at = 0; at < text.size(); at += size) add(splitter.push(text.substr(at, size)));
  add(splitter.finish());
  return out;
}

}  // namespace

TEST_CASE("a thought is told from the answer, however the text is cut", "[templates]") {
  struct Case {
    std::string_view text;
    bool in_thought;
    Split expected;
  };
  const Case cases[] = {
      {"<think>\nso\n</think>\n\nHi\n", false, {"so", "Hi\n"}},
      {"\n<think>so</think>Hi", false, {"so", "Hi"}},
      {"so \n b\n</think>\n\n Hi", true, {"so \n b", "Hi"}},
      {"Hi", false, {"", "Hi"}},
      {" \nHi", false, {"", " \nHi"}},
      {"", false, {"", ""}},
      {"", true, {"", ""}},
      {"<think>\n\n</think>\n\nHi", false, {"", "Hi"}},
      {"</think>Hi", true, {"", "Hi"}},
      {"not closed </thin", true, {"not closed </thin", ""}},
      {"<think>not closed \n", false, {"not closed \n", ""}},
      {"a < b </ b </think x</think></think>y", true, {"a < b </ b </think x", "</think>y"}},
      {"Say <think>x</think>", false, {"", "Say <think>x</think>"}},
      {"<thin", false, {"", "<thin"}},
      {"<think><think>a</think>b<think>c</think>", false, {"<think>a", "b<think>c</think>"}},
  };
  for (const Case& c : cases) {
    for (std::size_t size = 1; size <= c.text.size() + 1; ++size) {
      CAPTURE(c.text, size);
      const Split got = split(c.text, c.in_thought, size);
      CHECK(got.reasoning == c.expected.reasoning);
      CHECK(got.answer == c.expected.answer);
    }
  }
}

TEST_CASE("text of a thought is returned as soon as it is certain", "[templates]") {
  ThoughtSplitter splitter(true);
  CHECK(splitter.push("abc").reasoning == "abc");
  CHECK(splitter.push("d </").reasoning == "d");
  CHECK(splitter.in_thought());
  CHECK(splitter.push("x").reasoning == " </x");
  const auto parts = splitter.push("\n</think>\n\nHi");
  CHECK(parts.reasoning.empty());
  CHECK(parts.answer == "Hi");
  CHECK_FALSE(splitter.in_thought());
}
