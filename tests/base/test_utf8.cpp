// UTF-8 against a definition by table: every encoding of every code point, and every sequence of up to three
// bytes.
#include <catch2/catch.hpp>

#include "base/utf8.h"

using namespace qwen;

namespace {

// Length of the well-formed character at the start of the bytes, 0 where there is none: table 3-7 of the
// standard.
int well_formed(const std::string& s) {
  const auto b = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return b(i) >= 0x80 && b(i) <= 0xBF; };
  const auto in = [&](std::size_t i, unsigned low, unsigned high) { return b(i) >= low && b(i) <= high; };
  if (in(0, 0x00, 0x7F)) return 1;
  if (in(0, 0xC2, 0xDF) && tail(1)) return 2;
  if (in(0, 0xE0, 0xE0) && in(1, 0xA0, 0xBF) && tail(2)) return 3;
  if (in(0, 0xE1, 0xEC) && tail(1) && tail(2)) return 3;
  if (in(0, 0xED, 0xED) && in(1, 0x80, 0x9F) && tail(2)) return 3;
  if (in(0, 0xEE, 0xEF) && tail(1) && tail(2)) return 3;
  if (in(0, 0xF0, 0xF0) && in(1, 0x90, 0xBF) && tail(2) && tail(3)) return 4;
  if (in(0, 0xF1, 0xF3) && tail(1) && tail(2) && tail(3)) return 4;
  if (in(0, 0xF4, 0xF4) && in(1, 0x80, 0x8F) && tail(2) && tail(3)) return 4;
  return 0;
}

// True where some bytes could follow so that a well-formed character begins with all of s.
bool prefix_of_one(const std::string& s) {
  for (std::string more : {"\x80", "\x90", "\xA0", "\xBF", "\x80\x80", "\x90\x80", "\xA0\x80", "\xBF\x80",
                           "\x80\x80\x80", "\x90\x80\x80", "\xA0\x80\x80"})
    if (well_formed(s + more) > static_cast<int>(s.size())) return true;
  return false;
}

}  // namespace

TEST_CASE("every code point goes there and back", "[base]") {
  for (std::int32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Step step = decode_utf8(text);
    if (step.code_point != c || step.length != static_cast<int>(text.size()) || step.incomplete)
      FAIL("code point " << c);
    text += 'x';
    if (decode_utf8(text).length + 1 != static_cast<int>(text.size()))
      FAIL("code point " << c << " and more");
  }
  SUCCEED();
}

TEST_CASE("every sequence of up to three bytes", "[base]") {
  const auto check = [](const std::string& s) {
    const Utf8Step step = decode_utf8(s);
    const int length = well_formed(s);
    if ((step.code_point >= 0) != (length > 0)) return false;
    if (length > 0) return step.length == length && !step.incomplete;
    // The maximal subpart: the longest beginning of a character, at least one byte.
    int longest = 1;
    for (int n = 2; n <= static_cast<int>(s.size()); ++n)
      if (prefix_of_one(s.substr(0, static_cast<std::size_t>(n)))) longest = n;
    return step.length == longest && step.incomplete == prefix_of_one(s);
  };
  const auto bytes = [](int n) { return static_cast<char>(n); };
  int wrong = 0;
  for (int a = 0; a < 256; ++a) {
    wrong += !check({bytes(a)});
    if (a < 0xC0) continue;  // the first byte decides
    for (int b = 0; b < 256; ++b) {
      wrong += !check({bytes(a), bytes(b)});
      // Third and fourth bytes matter by their class only.
      for (const int c : {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xE0, 0xFF}) {
        wrong += !check({bytes(a), bytes(b), bytes(c)});
        for (const int d : {0x00, 0x7F, 0x80, 0xBF, 0xC2, 0xFF})
          wrong += !check({bytes(a), bytes(b), bytes(c), bytes(d)});
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("invalid bytes become replacement characters as the standard shows", "[base]") {
  // Unicode 15, chapter 3.9, tables 3-8 to 3-11.
  const std::string r(kReplacementCharacter);
  CHECK(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") == r + r + r + r + r + r + r + r + "A");
  CHECK(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") == r + r + r + r + r + r + r + r + "A");
  CHECK(replace_invalid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") ==
        r + r + r + r + r + "A" + r + r + "B");
  CHECK(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == r + r + r + r + "A");
  CHECK(replace_invalid_utf8("") == "");
  CHECK(replace_invalid_utf8("中文 ok") == "中文 ok");
  CHECK(replace_invalid_utf8(std::string("a\0b", 3)) == std::string("a\0b", 3));
  CHECK(is_valid_utf8("中文"));
  CHECK(is_valid_utf8(""));
  CHECK_FALSE(is_valid_utf8("中\xE6\x96"));
}
