// The characters of a JSON string, byte by byte: UTF-8 and escapes.
#pragma once
#include <cstdint>
#include <initializer_list>

namespace qwen::constraints {

// What has been read of the next character; 0: nothing.
using PartialChar = std::uint32_t;

// One step of reading.
struct LexStep {
  enum class Kind { invalid, partial, character, quote } kind = Kind::invalid;
  std::uint32_t value = 0;  // a PartialChar, or the character
};

// Reads `byte`. `raw`: no quotes and escapes. `any_spelling`: every escape of JSON; else only those that a character
// needs, as generated JSON has them.
LexStep lex_byte(PartialChar partial, unsigned char byte, bool raw, bool any_spelling) noexcept;

// Calls visit(low, high, bytes) for each range of characters that `partial` (not 0) can become, with the number of
// bytes that they still need.
template <class Visit>
void for_each_reachable(PartialChar partial, bool any_spelling, Visit&& visit);

namespace lexer {

enum Kind : std::uint32_t { kUtf8 = 1, kBackslash, kHex, kLowBackslash, kLowU, kLowHex };

inline constexpr Kind kind_of(PartialChar p) {
  return static_cast<Kind>(p >> 29);
}
inline constexpr std::uint32_t count_of(PartialChar p) {
  return (p >> 26) & 7;
}  // bytes missing, or digits read
inline constexpr std::uint32_t value_of(PartialChar p) {
  return p & 0x3FFFFFF;
}
inline constexpr PartialChar pack(Kind kind, std::uint32_t count, std::uint32_t value) {
  return (static_cast<std::uint32_t>(kind) << 29) | (count << 26) | value;
}
inline constexpr bool is_surrogate(std::uint32_t c) {
  return c >= 0xD800 && c <= 0xDFFF;
}
inline constexpr std::uint32_t first_of_length(std::uint32_t bytes_total) {
  return bytes_total == 2 ? 0x80 : bytes_total == 3 ? 0x800 : 0x10000;
}
inline constexpr std::uint32_t last_of_length(std::uint32_t bytes_total) {
  return bytes_total == 2 ? 0x7FF : bytes_total == 3 ? 0xFFFF : 0x10FFFF;
}
// A control character that generated JSON writes as \u00XX: it has no short escape.
inline constexpr bool needs_hex(std::uint32_t c) {
  return c < 0x20 && c != '\b' && c != '\f' && c != '\n' && c != '\r' && c != '\t';
}

// Without the surrogates.
template <class Visit>
void visit_characters(std::uint32_t low, std::uint32_t high, int bytes, Visit&& visit) {
  if (low > high) return;
  if (low < 0xD800) visit(low, high < 0xD800 ? high : 0xD7FFu, bytes);
  if (high > 0xDFFF) visit(low > 0xDFFF ? low : 0xE000u, high, bytes);
}

}  // namespace lexer

template <class Visit>
void for_each_reachable(PartialChar partial, bool any_spelling, Visit&& visit) {
  using namespace lexer;
  const std::uint32_t count = count_of(partial), value = value_of(partial);
  switch (kind_of(partial)) {
    case kUtf8: {
      const std::uint32_t missing = count & 3, total = (value >> 24) + 2;
      const std::uint32_t bits = value & 0xFFFFFF;
      std::uint32_t low = bits << (6 * missing), high = low + (1u << (6 * missing)) - 1;
      if (low < first_of_length(total)) low = first_of_length(total);
      if (high > last_of_length(total)) high = last_of_length(total);
      visit_characters(low, high, static_cast<int>(missing), visit);
      break;
    }
    case kBackslash:
      for (const char c : {'"', '\\', '\b', '\f', '\n', '\r', '\t'}) {
        const auto code = static_cast<std::uint32_t>(static_cast<unsigned char>(c));
        visit(code, code, 1);
      }
      if (any_spelling) {
        visit('/', '/', 1);
        visit_characters(0, 0xFFFF, 5, visit);
        visit(0x10000u, 0x10FFFFu, 11);
      } else {
        for (std::uint32_t c = 0; c < 0x20; ++c)
          if (needs_hex(c)) visit(c, c, 5);
      }
      break;
    case kHex: {
      const std::uint32_t bits = 4 * (4 - count);
      const std::uint32_t low = value << bits, high = low + (1u << bits) - 1;
      const int missing = static_cast<int>(4 - count);
      if (any_spelling) {
        visit_characters(low, high, missing, visit);
        if (low < 0xDC00 && high >= 0xD800) {
          // A high surrogate: \uXXXX follows.
          const std::uint32_t from = (low < 0xD800 ? 0xD800 : low) - 0xD800;
          const std::uint32_t to = (high > 0xDBFF ? 0xDBFF : high) - 0xD800;
          visit(0x10000 + (from << 10), 0x10000 + (to << 10) + 0x3FF, missing + 6);
        }
      } else {
        for (std::uint32_t c = low; c <= high && c < 0x20; ++c)
          if (needs_hex(c)) visit(c, c, missing);
      }
      break;
    }
    case kLowBackslash: visit(0x10000 + (value << 10), 0x10000 + (value << 10) + 0x3FF, 6); break;
    case kLowU: visit(0x10000 + (value << 10), 0x10000 + (value << 10) + 0x3FF, 5); break;
    case kLowHex: {
      // `value`: 10 bits of the high surrogate, then the digits read of the low one (D or d comes first).
      const std::uint32_t digits = value & 0xFFFF, high_bits = value >> 16;
      const std::uint32_t bits = 4 * (4 - count);
      std::uint32_t low = digits << bits, high = low + (1u << bits) - 1;
      if (low < 0xDC00) low = 0xDC00;
      if (high > 0xDFFF) high = 0xDFFF;
      if (low <= high)
        visit(0x10000 + (high_bits << 10) + (low - 0xDC00), 0x10000 + (high_bits << 10) + (high - 0xDC00),
              static_cast<int>(4 - count));
      break;
    }
  }
}

}  // namespace qwen::constraints
