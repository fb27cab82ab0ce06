#include "tokenizer/normalize.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/fail.h"
#include "base/utf8.h"

namespace qwen::tokenizer {
namespace {

// Ranges of inert code points, so that Chinese, Japanese, Korean, Latin, Greek, Cyrillic, Hebrew and Arabic
// text and emoji take the fast path; the rest goes through utf8proc. A test checks each code point against
// utf8proc.
struct Range {
  std::int32_t first, last;
};
constexpr Range kInert[] = {
    {0x0000, 0x02FF},   {0x0375, 0x037D},   {0x0388, 0x0482},   {0x048A, 0x0590}, {0x05C8, 0x060F},
    {0x061B, 0x064A},   {0x0671, 0x06D5},   {0x1E00, 0x1F70},   {0x2002, 0x20CF}, {0x2100, 0x2125},
    {0x212C, 0x2328},   {0x232B, 0x2ADB},   {0x2B00, 0x2CEE},   {0x2E80, 0x3029}, {0x3030, 0x3098},
    {0x309B, 0xA66E},   {0xAC00, 0xD7A3},   {0xE000, 0xF8FF},   {0xFE00, 0xFE1F}, {0xFE30, 0xFFFD},
    {0x10000, 0x101FC}, {0x1F000, 0x1FAFF}, {0x20000, 0x2F7FF},
};

// A prefix of valid, inert characters.
struct Prefix {
  std::size_t end = 0;         // in bytes
  std::size_t last_start = 0;  // start of the last character; == end if the prefix is empty
};

Prefix inert_prefix(std::string_view text, std::size_t from) noexcept {
  Prefix prefix{from, from};
  std::size_t at = from;
  while (at < text.size()) {
    std::uint64_t eight;
    if (at + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        prefix = {at, at - 1};
        continue;
      }
    }
    const auto lead = static_cast<unsigned char>(text[at]);
    std::size_t length;
    if (lead < 0x80) {
      length = 1;
    } else if (lead >= 0xE4 && lead <= 0xE9 && at + 2 < text.size() && is_utf8_continuation(text[at + 1]) &&
               is_utf8_continuation(text[at + 2])) {
      length = 3;  // U+4000 to U+9FFF
    } else {
      const Utf8Step step = decode_utf8(text.substr(at));
      if (step.code_point < 0 || !is_inert(step.code_point)) break;
      length = static_cast<std::size_t>(step.length);
    }
    prefix = {at + length, at};
    at += length;
  }
  return prefix;
}

// Appends `segment` in NFC. Sorts the combining marks itself: utf8proc's sort is quadratic.
void append_composed(std::string& out, std::vector<utf8proc_int32_t>& segment,
                     std::vector<utf8proc_int32_t>& decomposed) {
  if (segment.empty()) return;
  decomposed.clear();
  for (const utf8proc_int32_t code_point : segment) {
    utf8proc_int32_t parts[8];  // the longest full canonical decomposition has 4
    const utf8proc_ssize_t n = utf8proc_decompose_char(
        code_point, parts, 8, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), nullptr);
    if (n < 0 || n > 8) fail(ErrorCode::internal, "NFC: utf8proc cannot decompose U+", std::hex, code_point);
    decomposed.insert(decomposed.end(), parts, parts + n);
  }
  const auto combining_class = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (auto it = decomposed.begin(); it != decomposed.end();) {
    const auto is_starter = [&](utf8proc_int32_t c) { return combining_class(c) == 0; };
    it = std::find_if_not(it, decomposed.end(), is_starter);
    const auto end = std::find_if(it, decomposed.end(), is_starter);
    std::stable_sort(it, end, [&](auto a, auto b) { return combining_class(a) < combining_class(b); });
    it = end;
  }
  const utf8proc_ssize_t n =
      utf8proc_normalize_utf32(decomposed.data(), static_cast<utf8proc_ssize_t>(decomposed.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (n < 0)
    fail(n == UTF8PROC_ERROR_NOMEM ? ErrorCode::out_of_memory : ErrorCode::internal,
         "NFC: ", utf8proc_errmsg(n));
  for (utf8proc_ssize_t i = 0; i < n; ++i) append_utf8(out, decomposed[static_cast<std::size_t>(i)]);
}

}  // namespace

bool is_inert(std::int32_t code_point) noexcept {
  const auto it = std::partition_point(std::begin(kInert), std::end(kInert),
                                       [&](const Range& range) { return range.last < code_point; });
  return it != std::end(kInert) && code_point >= it->first;
}

bool is_word(std::int32_t code_point) noexcept {
  if (code_point < 0) return false;
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return code_point == 0x200C || code_point == 0x200D;
  }
}

bool is_white_space(std::int32_t code_point) noexcept {
  return (code_point >= 9 && code_point <= 13) || code_point == 0x20 || code_point == 0x85 ||
         code_point == 0xA0 || code_point == 0x1680 || (code_point >= 0x2000 && code_point <= 0x200A) ||
         code_point == 0x2028 || code_point == 0x2029 || code_point == 0x202F || code_point == 0x205F ||
         code_point == 0x3000;
}

std::string_view to_valid(std::string_view text, std::string& storage) {
  if (is_valid_utf8(text)) return text;
  storage = replace_invalid_utf8(text);
  return storage;
}

std::string_view to_nfc(std::string_view text, std::string& storage) {
  if (inert_prefix(text, 0).end == text.size()) return text;
  storage.clear();
  storage.reserve(text.size() + text.size() / 8);
  std::vector<utf8proc_int32_t> segment, decomposed;
  for (std::size_t at = 0; at < text.size();) {
    const Prefix inert = inert_prefix(text, at);
    // The last inert character may compose with the marks that follow it.
    const std::size_t copied = inert.end == text.size() ? inert.end : inert.last_start;
    storage.append(text, at, copied - at);
    at = copied;
    segment.clear();
    bool invalid = false;
    while (at < text.size()) {
      const Utf8Step step = decode_utf8(text.substr(at));
      invalid = step.code_point < 0;
      if (!invalid && at >= inert.end && is_inert(step.code_point)) break;
      at += static_cast<std::size_t>(step.length);
      if (invalid) break;
      segment.push_back(step.code_point);
    }
    append_composed(storage, segment, decomposed);
    if (invalid) storage += kReplacementCharacter;
  }
  return storage;
}

}  // namespace qwen::tokenizer
