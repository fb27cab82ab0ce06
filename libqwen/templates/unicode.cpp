// Python's character classes and case mappings: utf8proc's tables, and what they lack.
#include <utf8proc.h>

#include <algorithm>
#include <iterator>

#include "base/utf8.h"
#include "templates/text.h"

namespace qwen::templates {
namespace {

struct LongMapping {
  char32_t from;
  const char32_t* to;
};
struct CasedRange {
  char32_t first, last;
  bool uppercase;
};
struct CharRange {
  char32_t first, last;
};
#include "templates/unicode_tables.inl"

utf8proc_category_t category(char32_t c) noexcept {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

template <std::size_t N>
const char32_t* long_mapping(const LongMapping (&table)[N], char32_t c) noexcept {
  const auto* found =
      std::lower_bound(std::begin(table), std::end(table), c,
                       [](const LongMapping& row, char32_t value) { return row.from < value; });
  return found != std::end(table) && found->from == c ? found->to : nullptr;
}

const CasedRange* other_cased(char32_t c) noexcept {
  const auto* found =
      std::find_if(std::begin(kOtherCased), std::end(kOtherCased),
                   [&](const CasedRange& range) { return c >= range.first && c <= range.last; });
  return found == std::end(kOtherCased) ? nullptr : found;
}

bool is_lower(char32_t c) noexcept {
  if (category(c) == UTF8PROC_CATEGORY_LL) return true;
  const CasedRange* range = other_cased(c);
  return range != nullptr && !range->uppercase;
}
bool is_upper(char32_t c) noexcept {
  if (category(c) == UTF8PROC_CATEGORY_LU) return true;
  const CasedRange* range = other_cased(c);
  return range != nullptr && range->uppercase;
}
bool is_title(char32_t c) noexcept {
  return category(c) == UTF8PROC_CATEGORY_LT;
}
bool is_cased(char32_t c) noexcept {
  return is_lower(c) || is_upper(c) || is_title(c);
}

// Unicode's Case_Ignorable: marks, format characters, modifiers, and the characters within words.
bool is_case_ignorable(char32_t c) noexcept {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: break;
  }
  static constexpr char32_t kWithinWords[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,
                                              0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                              0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
  return std::find(std::begin(kWithinWords), std::end(kWithinWords), c) != std::end(kWithinWords);
}

// A capital sigma at the end of a word becomes the final form.
bool is_final_sigma(const std::vector<char32_t>& all, std::size_t at) noexcept {
  std::size_t before = at, after = at + 1;
  while (before > 0 && is_case_ignorable(all[before - 1])) --before;
  if (before == 0 || !is_cased(all[before - 1])) return false;
  while (after < all.size() && is_case_ignorable(all[after])) ++after;
  return after == all.size() || !is_cased(all[after]);
}

// Maps a text character by character; what a character becomes keeps its origin.
class CaseMapper {
 public:
  explicit CaseMapper(const Text& text) : text_(text), all_(code_points(text.bytes())) {
    out_.is_markup = text.is_markup;
  }
  std::size_t size() const { return all_.size(); }
  char32_t at(std::size_t i) const { return all_[i]; }

  void upper(std::size_t i) {
    if (const char32_t* to = long_mapping(kLongUpper, all_[i])) return emit_all(to);
    emit(utf8proc_toupper(static_cast<utf8proc_int32_t>(all_[i])));
  }
  void title(std::size_t i) {
    if (const char32_t* to = long_mapping(kLongTitle, all_[i])) return emit_all(to);
    emit(utf8proc_totitle(static_cast<utf8proc_int32_t>(all_[i])));
  }
  void lower(std::size_t i) {
    if (all_[i] == 0x130) return emit_all(U"i\u0307");
    if (all_[i] == 0x3A3) return emit(is_final_sigma(all_, i) ? 0x3C2 : 0x3C3);
    emit(utf8proc_tolower(static_cast<utf8proc_int32_t>(all_[i])));
  }
  void keep(std::size_t i) { emit(static_cast<std::int32_t>(all_[i])); }
  Text take() { return std::move(out_); }

  // Ends the character that the calls above mapped.
  void next(std::size_t i) {
    std::string source;
    append_utf8(source, static_cast<std::int32_t>(all_[i]));
    out_.append(pending_, text_.origin_of_byte(byte_));
    byte_ += source.size();
    pending_.clear();
  }

 private:
  void emit(std::int32_t c) { append_utf8(pending_, c); }
  void emit_all(const char32_t* to) {
    for (; *to != 0; ++to) emit(static_cast<std::int32_t>(*to));
  }

  const Text& text_;
  std::vector<char32_t> all_;
  std::size_t byte_ = 0;  // of the current character in text_
  std::string pending_;
  Text out_;
};

template <class Map>
Text map_characters(const Text& text, const Map& map) {
  CaseMapper mapper(text);
  for (std::size_t i = 0; i < mapper.size(); ++i) {
    map(mapper, i);
    mapper.next(i);
  }
  return mapper.take();
}

}  // namespace

Text upper(const Text& text) {
  return map_characters(text, [](CaseMapper& m, std::size_t i) { m.upper(i); });
}
Text lower(const Text& text) {
  return map_characters(text, [](CaseMapper& m, std::size_t i) { m.lower(i); });
}
Text title(const Text& text) {
  bool in_word = false;
  return map_characters(text, [&](CaseMapper& m, std::size_t i) {
    in_word ? m.lower(i) : m.title(i);
    in_word = is_cased(m.at(i));
  });
}
Text capitalize(const Text& text) {
  return map_characters(text, [](CaseMapper& m, std::size_t i) { i == 0 ? m.title(i) : m.lower(i); });
}
Text swap_case(const Text& text) {
  return map_characters(text, [](CaseMapper& m, std::size_t i) {
    if (is_upper(m.at(i))) return m.lower(i);
    if (is_lower(m.at(i))) return m.upper(i);
    m.keep(i);
  });
}

bool is_space(char32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_printable(char32_t c) noexcept {
  if (c == ' ') return true;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: return false;
    default: return true;
  }
}

bool is_letter(char32_t c) noexcept {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(char32_t c) noexcept {
  return category(c) == UTF8PROC_CATEGORY_ND;
}
bool is_digit(char32_t c) noexcept {
  return is_decimal(c) || std::any_of(std::begin(kOtherDigits), std::end(kOtherDigits),
                                      [&](const CharRange& r) { return c >= r.first && c <= r.last; });
}
bool is_numeric_category(char32_t c) noexcept {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_lower_text(std::string_view text) {
  bool any = false;
  for (const char32_t c : code_points(text)) {
    if (is_upper(c) || is_title(c)) return false;
    any = any || is_lower(c);
  }
  return any;
}
bool is_upper_text(std::string_view text) {
  bool any = false;
  for (const char32_t c : code_points(text)) {
    if (is_lower(c) || is_title(c)) return false;
    any = any || is_upper(c);
  }
  return any;
}
bool is_title_text(std::string_view text) {
  bool any = false, in_word = false;
  for (const char32_t c : code_points(text)) {
    if (is_upper(c) || is_title(c)) {
      if (in_word) return false;
      any = in_word = true;
    } else if (is_lower(c)) {
      if (!in_word) return false;
      any = true;
    } else {
      in_word = false;
    }
  }
  return any;
}

}  // namespace qwen::templates
