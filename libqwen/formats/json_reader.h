// A strict JSON reader that walks the text once, without building a tree: tokenizer.json has half a million
// values.
//
//   JsonReader in(text, "config.json");
//   in.object([&](std::string_view key) {
//     if (key == "hidden_size") hidden = in.integer(1, 1 << 20); else in.skip();
//   });
//   in.finish();
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/fail.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "formats/byte_reader.h"

namespace qwen::formats {

// RFC 8259, no extensions: strict UTF-8, no lone surrogates, no comments, no NaN.
// Throws bad_format, with file, line and column, for anything else.
class JsonReader {
 public:
  // `text` must outlive the reader; strings without escapes point into it.
  JsonReader(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {
    refuse_lfs_pointer(text_, file_);
    if (text_.starts_with("\xEF\xBB\xBF")) position_ = 3;  // byte order mark
  }

  enum class Kind { object, array, string, number, boolean, null };
  Kind peek();  // of the next value

  // Calls member(key) for each member. member must read or skip the value.
  template <class Member>
  void object(Member&& member) {
    open('{', "an object");
    for (bool more = !close('}'); more; more = next('}')) {
      std::string storage;
      member(key(storage));
    }
    --depth_;
  }
  // Calls element() for each element. element must read or skip it.
  template <class Element>
  void array(Element&& element) {
    open('[', "an array");
    for (bool more = !close(']'); more; more = next(']')) element();
    --depth_;
  }

  // Valid until the next string is read, or for the life of the text if stable().
  std::string_view string();
  bool stable(std::string_view s) const noexcept {
    return s.data() >= text_.data() && s.data() + s.size() <= text_.data() + text_.size();
  }
  // A number without fraction or exponent, within [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high);
  double real();
  // A number as it is written; `is_integer`: it has neither fraction nor exponent.
  std::string_view number(bool& is_integer);
  bool boolean();
  bool null();    // consumes the next value if it is null
  void skip();    // validates and skips the next value
  void finish();  // expects the end of the text

  std::size_t position() const noexcept { return position_; }
  const std::string& file() const noexcept { return file_; }
  // Throws with the current position: "FILE:line:column: ...".
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
  bool close(char bracket);  // consumes it if it is next
  bool next(char bracket);   // consumes a comma (true) or the closing bracket (false)
  std::string_view key(std::string& storage);
  std::string_view quoted_text(std::string& storage);
  void escape(std::string& out);
  std::uint32_t hex4();
  void literal(std::string_view word);
  [[noreturn]] void expected(const char* what);
  std::string where() const;

  std::string_view text_;
  std::string file_;
  std::string storage_;
  std::size_t position_ = 0;
  int depth_ = 0;
};

inline std::string_view text_of(const MappedFile& map) {
  return {reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()};
}

struct JsonFile {
  JsonFile(const std::string& path, std::size_t max_bytes) : map(path), in(text_of(map), path) {
    if (map.bytes().size() > max_bytes)
      fail(ErrorCode::bad_format, path, ": ", map.bytes().size(), " bytes, expected at most ", max_bytes);
  }
  MappedFile map;
  JsonReader in;
};

// An object without duplicate keys. For small objects: copies every key.
template <class Member>
void unique_object(JsonReader& in, Member&& member) {
  std::unordered_set<std::string> seen;
  in.object([&](std::string_view key) {
    if (!seen.emplace(key).second) in.bad("duplicate key ", quoted(key));
    member(key);
  });
}

}  // namespace qwen::formats
