// A strict JSON reader that walks the text once, led by what the caller expects: no tree, strings where they
// stand.
//
//   JsonReader in(text, "config.json");
//   in.object([&](std::string_view key) {
//     if (key == "hidden_size") hidden = in.integer(1, 1 << 20); else in.skip();
//   });
//   in.finish();
//
// A tree would cost many times the text's size; tokenizer.json has half a million values.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/fail.h"
#include "base/utf8.h"

namespace qwen::formats {

// RFC 8259, no extensions: strict UTF-8, no lone surrogates, no comments, no NaN. Any breach is an
// Error(bad_format) with file, line and column.
class JsonReader {
 public:
  // `text` must outlive the reader; strings that hold no escape point into it.
  JsonReader(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {
    if (text_.starts_with("\xEF\xBB\xBF")) position_ = 3;  // a byte order mark, as some editors write
  }

  enum class Kind { object, array, string, number, boolean, null };
  Kind peek();  // of the next value

  // Calls member(key) for each member; it must read or skip the value.
  template <class Member>
  void object(Member&& member) {
    open('{', "an object");
    for (bool more = !close('}'); more; more = next('}')) {
      std::string storage;
      member(key(storage));
    }
    --depth_;
  }
  // Calls element() for each element; it must read or skip it.
  template <class Element>
  void array(Element&& element) {
    open('[', "an array");
    for (bool more = !close(']'); more; more = next(']')) element();
    --depth_;
  }

  // Valid until the next string is read, unless stable() says that it stands in the text.
  std::string_view string();
  bool stable(std::string_view s) const noexcept {
    return s.data() >= text_.data() && s.data() + s.size() <= text_.data() + text_.size();
  }
  // A number without fraction or exponent, within [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high);
  double real();
  bool boolean();
  bool null();    // true, and past it, where the next value is null
  void skip();    // checks the next value and passes over it
  void finish();  // nothing may follow but white space

  std::size_t position() const noexcept { return position_; }
  const std::string& file() const noexcept { return file_; }
  // An error at the last position reached: "FILE:line:column: ...".
  template <class... Parts>
  [[noreturn]] void refuse(ErrorCode code, const Parts&... parts) const {
    fail(code, where(), parts...);
  }
  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    refuse(ErrorCode::bad_format, parts...);
  }

 private:
  void white_space() noexcept;
  void open(char bracket, const char* what);
  bool close(char bracket);  // past it where it is next
  bool next(char bracket);   // past a comma (true) or the closing bracket (false)
  std::string_view key(std::string& storage);
  std::string_view quoted_text(std::string& storage);
  void escape(std::string& out);
  std::uint32_t hex4();
  std::string_view number(bool& is_integer);
  void literal(std::string_view word);
  [[noreturn]] void expected(const char* what);
  std::string where() const;

  std::string_view text_;
  std::string file_;
  std::string storage_;
  std::size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace qwen::formats
