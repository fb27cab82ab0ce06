#include "tokenizer/split.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

using namespace qwen;

namespace {

std::vector<std::string> split(const tokenizer::Splitter& splitter, std::string_view text) {
  std::vector<std::string> pieces;
  tokenizer::Splitter::Cursor cursor(splitter, text);
  for (std::string_view piece = cursor.next(); !piece.empty(); piece = cursor.next())
    pieces.emplace_back(piece);
  return pieces;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("split: words, single digits, punctuation, white space", "[tokenizer]") {
  const tokenizer::Splitter splitter;
  CHECK(split(splitter, "Hello world") == Strings{"Hello", " world"});
  CHECK(split(splitter, "it's WE'LL 'S '\u017fx") ==
        Strings{"it", "'s", " WE", "'LL", " '", "S", " '", "\u017fx"});
  CHECK(split(splitter, "x'\u017f") == Strings{"x", "'\u017f"});  // long s folds to s
  CHECK(split(splitter, "a123") == Strings{"a", "1", "2", "3"});
  CHECK(split(splitter, "a  b") == Strings{"a", " ", " b"});
  CHECK(split(splitter, "a \n\n b") == Strings{"a", " \n\n", " b"});
  CHECK(split(splitter, "!?\n\nx") == Strings{"!?\n\n", "x"});
  CHECK(split(splitter, "a   ") == Strings{"a", "   "});
  CHECK(split(splitter, "好，很好") == Strings{"好", "，很好"});
  // White space is Unicode's: U+3000 and U+0085 are, U+180E, U+200B and U+001C are not.
  CHECK(split(splitter, "\u3000\u3000a") == Strings{"\u3000", "\u3000a"});
  CHECK(split(splitter, "\u0085\u0085") == Strings{"\u0085\u0085"});
  CHECK(split(splitter, "\u180e\u180ea") == Strings{"\u180e\u180e", "a"});
  CHECK(split(splitter, "\x1c\x1c") == Strings{"\x1c\x1c"});
  CHECK(split(splitter, " \x1c") == Strings{" \x1c"});
  CHECK(split(splitter, "").empty());
}

TEST_CASE("split: interpreter and JIT agree and cover every byte", "[tokenizer]") {
  const tokenizer::Splitter jit, interpreted(false);
  const Strings units = {" ",  "  ", "\n", "\r", "\t",     "a",      "Z",      "'s", "'RE", "好",
                         "，", "1",  "Ⅷ",  "😀",  "\u0301", "\u3000", "\u00a0", "-",  "'"};
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (auto n = random() % 20; n > 0; --n) text += units[random() % units.size()];
    const Strings pieces = split(jit, text);
    REQUIRE(pieces == split(interpreted, text));
    std::string joined;
    for (const std::string& piece : pieces) joined += piece;
    REQUIRE(joined == text);
  }
}

TEST_CASE("split: runs of 1 MB, with and without JIT", "[tokenizer]") {
  const bool jit = GENERATE(true, false);
  const std::string unit = GENERATE(as<std::string>(), " ", "a", "好", "😀", "\n", "\u3000", " \n", "\u0301");
  const tokenizer::Splitter splitter(jit);
  std::string text;
  while (text.size() < (1 << 20)) text += unit;
  CHECK(split(splitter, text) == Strings{text});
  CHECK(split(splitter, text + "x").size() <= 2);
}
