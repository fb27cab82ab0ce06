#include "tokenizer/normalize.h"

#include <utf8proc.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>
#include <set>

#include "base/utf8.h"

using namespace qwen;

namespace {

// utf8proc's own NFC of a whole text.
std::string whole_nfc(const std::string& valid) {
  utf8proc_uint8_t* out = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()),
                              static_cast<utf8proc_ssize_t>(valid.size()), &out,
                              static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  REQUIRE(n >= 0);
  const std::string text(reinterpret_cast<const char*>(out), static_cast<std::size_t>(n));
  std::free(out);
  return text;
}

std::string utf8(std::int32_t code_point) {
  std::string text;
  append_utf8(text, code_point);
  return text;
}

std::string nfc(std::string_view text) {
  std::string storage;
  return std::string(tokenizer::to_nfc(text, storage));
}

bool is_scalar(std::int32_t c) {
  return c < 0xD800 || c > 0xDFFF;
}

}  // namespace

TEST_CASE("every code point in the table is inert", "[tokenizer]") {
  // What may join with a character before it: Hangul vowels and final consonants, and the second halves of
  // the canonical decompositions of two that compose again.
  std::set<std::int32_t> seconds;
  for (std::int32_t c = 0x1161; c <= 0x1175; ++c) seconds.insert(c);
  for (std::int32_t c = 0x11A8; c <= 0x11C2; ++c) seconds.insert(c);
  for (std::int32_t c = 0; c < 0x110000; ++c) {
    if (!is_scalar(c) || (c >= 0xAC00 && c <= 0xD7A3)) continue;
    utf8proc_int32_t parts[8];
    const auto n = utf8proc_decompose_char(
        c, parts, 8, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), nullptr);
    if (n >= 2 && whole_nfc(utf8(c)) == utf8(c)) seconds.insert(parts[n - 1]);
  }
  REQUIRE(seconds.count(0x0301) == 1);
  for (std::int32_t c = 0; c < 0x110000; ++c) {
    if (!is_scalar(c) || !tokenizer::is_inert(c)) continue;
    const bool inert = utf8proc_get_property(c)->combining_class == 0 && whole_nfc(utf8(c)) == utf8(c) &&
                       !seconds.contains(c);
    if (!inert) FAIL_CHECK("U+" << std::hex << c << " is not inert");
  }
  for (const std::int32_t c :
       std::initializer_list<std::int32_t>{'a', 0x4F60, 0x3002, 0xFF0C, 0x1F600, 0x20000, 0xAC00, 0x0416})
    CHECK(tokenizer::is_inert(c));
}

TEST_CASE("NFC in segments equals NFC of the whole text", "[tokenizer]") {
  const std::vector<std::int32_t> interesting = {
      'a',     'e',     ' ',    0xE9,   0x300,  0x301,   0x302,  0x323,   0x327,   0x344,
      0x345,   0x4F60,  0xAC00, 0xAC01, 0x1100, 0x1161,  0x11A8, 0x212B,  0x2126,  0x958,
      0x93C,   0x915,   0x1E69, 0x3099, 0x304B, 0x309A,  0xF900, 0x1D15E, 0x1D165, 0x110BA,
      0x11099, 0x2F800, 0xFB1D, 0x5D0,  0x5B4,  0x1F600, 0xFFFD, 0xFE0F};
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 14; n > 0; --n) {
      std::int32_t c = interesting[random() % interesting.size()];
      if (random() % 8 == 0) do
          c = static_cast<std::int32_t>(random() % 0x110000);
        while (!is_scalar(c));
      append_utf8(text, c);
    }
    REQUIRE(nfc(text) == whole_nfc(text));
    text.insert(random() % (text.size() + 1), 1, static_cast<char>(0x80 + random() % 0x80));
    REQUIRE(nfc(text) == whole_nfc(replace_invalid_utf8(text)));
  }
}

TEST_CASE("text that is NFC already is not copied", "[tokenizer]") {
  std::string storage;
  for (const std::string_view text :
       {"", "plain ASCII that is longer than eight", "房间很干净，服务好。", "é 😀 か が 한국 Привет"})
    CHECK(tokenizer::to_nfc(text, storage).data() == text.data());
  CHECK(nfc("e\u0301") == "é");
  CHECK(nfc("\xE4\xBD") == kReplacementCharacter);
}
