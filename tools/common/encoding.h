// The encoding of texts that a program reads. The library takes any bytes; text in another encoding than UTF-8 would
// get wrong answers without a word, so it is converted on request and refused otherwise.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/command_line.h"

namespace tools {

enum class Encoding { automatic, utf8, gb18030, utf16 };

// --encoding; `value` holds its text, for parse_encoding.
void add_encoding_option(CommandLine& app, std::string& value);
// "" is utf-8, the default.
Encoding parse_encoding(const std::string& name);

// Converts a stream of bytes, in pieces, to UTF-8 without a byte order mark. automatic decides by the first bytes that
// are not ASCII.
class TextDecoder {
 public:
  // `name` of the source, for errors: a file, "standard input", "TEXT".
  TextDecoder(Encoding encoding, std::string name);
  ~TextDecoder();
  TextDecoder(const TextDecoder&) = delete;
  TextDecoder& operator=(const TextDecoder&) = delete;

  // Appends to `out` the text that is complete after these bytes.
  // Throws qwen::Error(bad_format), with the place of the first wrong byte and what the text looks like.
  void push(std::string_view bytes, std::string& out);
  // The end of the text.
  // Throws qwen::Error(bad_format) if it ends within a character.
  void finish(std::string& out);

 private:
  class Converter;
  void decode(std::string& out);
  void decode_utf8(std::string& out);
  [[noreturn]] void fail(std::size_t at, const std::string& reason) const;

  Encoding encoding_;
  std::string name_;
  std::string held_;          // bytes not decoded yet
  std::size_t position_ = 0;  // of held_[0] in the source
  bool started_ = false, only_ascii_ = true, at_end_ = false;
  std::unique_ptr<Converter> converter_;
};

// A whole text.
std::string to_utf8(std::string_view bytes, Encoding encoding, const std::string& name);

}  // namespace tools
