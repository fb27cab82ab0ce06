// Strings of a template: UTF-8 text that carries, for every byte, who wrote it. Every operation keeps the
// marks, so that a rendered prompt can be split into the template's own text and the caller's.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qwen::templates {

enum class Origin : char { caller = 0, template_text = 1 };

// Always valid UTF-8. Positions and lengths below are in code points, as Python counts them, unless a name
// says bytes.
class Text {
 public:
  Text() = default;
  Text(std::string_view bytes, Origin origin)
      : bytes_(bytes), origins_(bytes.size(), static_cast<char>(origin)) {}

  const std::string& bytes() const noexcept { return bytes_; }
  std::size_t size_bytes() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }
  Origin origin_of_byte(std::size_t i) const noexcept { return static_cast<Origin>(origins_[i]); }

  void append(const Text& other);
  void append(std::string_view bytes, Origin origin);
  Text sub_bytes(std::size_t begin, std::size_t end) const;  // [begin, end)

  // Of Python's Markup (the filter "safe"): joining it with an ordinary string escapes that string's HTML.
  bool is_markup = false;

 private:
  std::string bytes_;
  std::string origins_;  // [bytes_.size()] Origin
};

// Byte offset of each code point, and the end: [length + 1].
std::vector<std::size_t> code_point_offsets(std::string_view text);
std::vector<char32_t> code_points(std::string_view text);
std::int64_t length_of(std::string_view text);

// Python's str methods. `chars` empty: white space.
enum class Side { left, right, both };
Text strip(const Text& text, Side side, const std::optional<std::string>& chars = std::nullopt);
// Splits at white space (no separator) or at `separator` (not empty); at most `limit` times unless negative.
std::vector<Text> split(const Text& text, const std::optional<std::string>& separator, std::int64_t limit);
std::vector<Text> split_from_right(const Text& text, const std::optional<std::string>& separator,
                                   std::int64_t limit);
std::vector<Text> split_lines(const Text& text, bool keep_ends);
Text replace(const Text& text, const std::string& from, const Text& to, std::int64_t limit);
Text join(const Text& separator, const std::vector<Text>& parts);
Text escape_html(const Text& text);  // the result is markup

Text upper(const Text& text);
Text lower(const Text& text);
Text title(const Text& text);       // str.title()
Text capitalize(const Text& text);  // str.capitalize()
Text swap_case(const Text& text);

bool is_space(char32_t c) noexcept;             // str.isspace()
bool is_printable(char32_t c) noexcept;         // repr() shows it as it is
bool is_letter(char32_t c) noexcept;            // str.isalpha()
bool is_decimal(char32_t c) noexcept;           // str.isdecimal()
bool is_digit(char32_t c) noexcept;             // str.isdigit()
bool is_numeric_category(char32_t c) noexcept;  // categories Nd, Nl and No
bool is_lower_text(std::string_view text);      // str.islower()
bool is_upper_text(std::string_view text);      // str.isupper()
bool is_title_text(std::string_view text);      // str.istitle()

}  // namespace qwen::templates
