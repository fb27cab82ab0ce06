#include "constraints/string_lexer.h"

namespace qwen::constraints {
namespace {

using namespace lexer;

constexpr LexStep kInvalid{};
constexpr LexStep character(std::uint32_t c) {
  return {LexStep::Kind::character, c};
}
constexpr LexStep partial(PartialChar p) {
  return {LexStep::Kind::partial, p};
}

// A UTF-8 character of `total` bytes with `missing` ones to come. The value has 24 bits for the character's bits
// and 2 for its length.
LexStep utf8_step(std::uint32_t total, std::uint32_t missing, std::uint32_t bits) {
  std::uint32_t low = bits << (6 * missing), high = low + (1u << (6 * missing)) - 1;
  if (low < first_of_length(total)) low = first_of_length(total);
  if (high > last_of_length(total)) high = last_of_length(total);
  if (low > high || (low >= 0xD800 && high <= 0xDFFF)) return kInvalid;
  if (missing == 0) return character(bits);
  return partial(pack(kUtf8, missing, ((total - 2) << 24) | bits));
}

int hex_value(unsigned char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

LexStep first_byte(unsigned char byte, bool raw) {
  if (byte < 0x80) {
    if (raw) return character(byte);
    if (byte == '"') return {LexStep::Kind::quote, 0};
    if (byte == '\\') return partial(pack(kBackslash, 0, 0));
    return byte < 0x20 ? kInvalid : character(byte);
  }
  if (byte >= 0xC2 && byte <= 0xDF) return utf8_step(2, 1, byte & 0x1F);
  if (byte >= 0xE0 && byte <= 0xEF) return utf8_step(3, 2, byte & 0x0F);
  if (byte >= 0xF0 && byte <= 0xF4) return utf8_step(4, 3, byte & 0x07);
  return kInvalid;
}

LexStep after_backslash(unsigned char byte, bool any_spelling) {
  switch (byte) {
    case '"':
    case '\\': return character(byte);
    case '/': return any_spelling ? character('/') : kInvalid;
    case 'b': return character('\b');
    case 'f': return character('\f');
    case 'n': return character('\n');
    case 'r': return character('\r');
    case 't': return character('\t');
    case 'u': return partial(pack(kHex, 0, 0));
    default: return kInvalid;
  }
}

LexStep hex_step(std::uint32_t count, std::uint32_t value, unsigned char byte, bool any_spelling) {
  const int digit = hex_value(byte);
  if (digit < 0 || (!any_spelling && byte >= 'A' && byte <= 'F')) return kInvalid;
  value = value * 16 + static_cast<std::uint32_t>(digit);
  if (count + 1 < 4) return partial(pack(kHex, count + 1, value));
  if (!any_spelling) return needs_hex(value) ? character(value) : kInvalid;
  if (value >= 0xD800 && value <= 0xDBFF) return partial(pack(kLowBackslash, 0, value - 0xD800));
  return is_surrogate(value) ? kInvalid : character(value);
}

LexStep low_hex_step(std::uint32_t count, std::uint32_t value, unsigned char byte) {
  const int digit = hex_value(byte);
  if (digit < 0) return kInvalid;
  const std::uint32_t high_bits = value >> 16;
  const std::uint32_t digits = (value & 0xFFFF) * 16 + static_cast<std::uint32_t>(digit);
  if (count + 1 < 4) return partial(pack(kLowHex, count + 1, (high_bits << 16) | digits));
  if (digits < 0xDC00 || digits > 0xDFFF) return kInvalid;
  return character(0x10000 + (high_bits << 10) + (digits - 0xDC00));
}

}  // namespace

LexStep lex_byte(PartialChar p, unsigned char byte, bool raw, bool any_spelling) noexcept {
  if (p == 0) return first_byte(byte, raw);
  const std::uint32_t count = count_of(p), value = value_of(p);
  switch (kind_of(p)) {
    case kUtf8:
      if ((byte & 0xC0) != 0x80) return kInvalid;
      return utf8_step((value >> 24) + 2, count - 1, ((value & 0xFFFFFF) << 6) | (byte & 0x3F));
    case kBackslash: return after_backslash(byte, any_spelling);
    case kHex: return hex_step(count, value, byte, any_spelling);
    case kLowBackslash: return byte == '\\' ? partial(pack(kLowU, 0, value)) : kInvalid;
    case kLowU: return byte == 'u' ? partial(pack(kLowHex, 0, value << 16)) : kInvalid;
    case kLowHex: return low_hex_step(count, value, byte);
  }
  return kInvalid;
}

}  // namespace qwen::constraints
