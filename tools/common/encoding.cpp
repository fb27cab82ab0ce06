#include "common/encoding.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "qwen/error.h"

namespace tools {
namespace {

constexpr std::size_t kSample = 4096;  // bytes that decide what a text looks like

// Bytes of the UTF-8 character at the front of `text`; 0 if it is invalid, -1 if the text ends within it.
int character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const int length = lead >= 0xC2 && lead <= 0xDF   ? 2
                     : (lead & 0xF0) == 0xE0        ? 3
                     : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                    : 0;
  for (int i = 1; i < length; ++i) {
    if (static_cast<std::size_t>(i) == text.size()) return -1;
    unsigned char low = 0x80, high = 0xBF;
    if (i == 1 && lead == 0xE0) low = 0xA0;   // shortest forms only
    if (i == 1 && lead == 0xED) high = 0x9F;  // no surrogates
    if (i == 1 && lead == 0xF0) low = 0x90;
    if (i == 1 && lead == 0xF4) high = 0x8F;  // at most U+10FFFF
    const unsigned char c = byte(static_cast<std::size_t>(i));
    if (c < low || c > high) return 0;
  }
  return length;
}

// Two-byte characters of GBK, or four-byte ones of GB18030, and nothing else but ASCII.
bool looks_like_gb18030(std::string_view text) {
  const auto in = [&](std::size_t i, int low, int high) {
    return i < text.size() && static_cast<unsigned char>(text[i]) >= low &&
           static_cast<unsigned char>(text[i]) <= high;
  };
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (in(i, 0, 0x7F)) {
      ++i;
    } else if (in(i, 0x81, 0xFE) && i + 1 == text.size()) {
      break;  // the sample ends here
    } else if (in(i, 0x81, 0xFE) && (in(i + 1, 0x40, 0x7E) || in(i + 1, 0x80, 0xFE))) {
      i += 2;
      ++characters;
    } else if (in(i, 0x81, 0xFE) && in(i + 1, 0x30, 0x39) &&
               (i + 3 >= text.size() || (in(i + 2, 0x81, 0xFE) && in(i + 3, 0x30, 0x39)))) {
      i += 4;
      ++characters;
    } else {
      return false;
    }
  }
  return characters > 0;
}

// A byte order mark, or zeros in half of the places of ASCII characters.
bool looks_like_utf16(std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return true;
  if (text.size() < 4) return false;
  std::array<std::size_t, 2> zeros{};
  for (std::size_t i = 0; i < text.size(); ++i) zeros[i % 2] += text[i] == '\0';
  const std::size_t half = text.size() / 2;
  return (zeros[0] > half / 4 && zeros[1] == 0) || (zeros[1] > half / 4 && zeros[0] == 0);
}

// Byte order of UTF-16 without a mark: the high bytes of a text are mostly those of ASCII, of CJK characters
// (U+4E00 to U+9FFF) and of their punctuation.
bool looks_big_endian(std::string_view text) {
  std::array<std::size_t, 2> high{};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    high[i % 2] += byte == 0 || byte == 0x30 || byte == 0xFF || (byte >= 0x4E && byte <= 0x9F);
  }
  return high[0] > high[1];
}

}  // namespace

void add_encoding_option(CommandLine& app, std::string& value) {
  app.add("--encoding", value,
          "Encoding of the texts that are read: utf-8 (default), gb18030 (and GBK), utf-16, or auto to "
          "detect it")
      .one_of({"auto", "utf-8", "gb18030", "utf-16"})
      .type("NAME")
      .group("Input");
}

Encoding parse_encoding(const std::string& name) {
  if (name == "auto") return Encoding::automatic;
  if (name == "gb18030") return Encoding::gb18030;
  if (name == "utf-16") return Encoding::utf16;
  return Encoding::utf8;
}

class TextDecoder::Converter {
 public:
  explicit Converter(const char* from) : handle_(::iconv_open("UTF-8", from)) {
    if (handle_ == reinterpret_cast<iconv_t>(-1))
      throw qwen::Error(qwen::ErrorCode::unsupported,
                        std::string("this system cannot convert ") + from + ": " + std::strerror(errno));
  }
  ~Converter() { ::iconv_close(handle_); }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  // Converts what is complete and returns the bytes used; `error` is EILSEQ at an invalid byte, EINVAL at the end within a character.
  std::size_t convert(std::string_view bytes, std::string& out, int& error) {
    char* in = const_cast<char*>(bytes.data());  // iconv does not write there
    std::size_t left = bytes.size();
    error = 0;
    while (left > 0) {
      std::array<char, 4096> buffer;
      char* to = buffer.data();
      std::size_t room = buffer.size();
      const bool failed = ::iconv(handle_, &in, &left, &to, &room) == static_cast<std::size_t>(-1);
      const int reason = errno;
      out.append(buffer.data(), static_cast<std::size_t>(to - buffer.data()));
      if (failed && reason != E2BIG) {
        error = reason;
        break;
      }
    }
    return bytes.size() - left;
  }

 private:
  iconv_t handle_;
};

TextDecoder::TextDecoder(Encoding encoding, std::string name) : encoding_(encoding), name_(std::move(name)) {}
TextDecoder::~TextDecoder() = default;

void TextDecoder::fail(std::size_t at, const std::string& reason) const {
  throw qwen::Error(qwen::ErrorCode::bad_format,
                    name_ + ": byte " + std::to_string(position_ + at) + ": " + reason);
}

void TextDecoder::push(std::string_view bytes, std::string& out) {
  held_ += bytes;
  if (!started_ && held_.size() < 4) return;  // a byte order mark may be incomplete
  const bool marked = held_.starts_with("\xFF\xFE") || held_.starts_with("\xFE\xFF");
  if (!started_ && encoding_ == Encoding::utf16 && !marked && held_.size() < kSample)
    return;  // to find the order
  decode(out);
}

void TextDecoder::finish(std::string& out) {
  at_end_ = true;
  decode(out);
  if (!held_.empty()) fail(0, "the text ends within a character");
}

void TextDecoder::decode(std::string& out) {
  if (!started_) {
    if (held_.empty()) return;
    started_ = true;
    if (held_.starts_with("PK\x03\x04"))
      fail(0, "a ZIP file, such as a workbook of Excel (.xlsx): save the table as CSV");
    if (held_.starts_with("\xD0\xCF\x11\xE0")) fail(0, "an Office file (.xls): save the table as CSV");
    if (encoding_ == Encoding::automatic && looks_like_utf16(std::string_view(held_).substr(0, kSample)))
      encoding_ = Encoding::utf16;
    if (held_.starts_with("\xEF\xBB\xBF") && encoding_ != Encoding::utf16) {
      held_.erase(0, 3);
      position_ += 3;
    }
    if (encoding_ == Encoding::utf16) {
      bool big = held_.starts_with("\xFE\xFF");
      const bool marked = big || held_.starts_with("\xFF\xFE");
      if (!marked) big = looks_big_endian(std::string_view(held_).substr(0, kSample));
      held_.erase(0, marked ? 2 : 0);
      position_ += marked ? 2 : 0;
      converter_ = std::make_unique<Converter>(big ? "UTF-16BE" : "UTF-16LE");
    }
  }
  if (encoding_ == Encoding::utf8 || encoding_ == Encoding::automatic) decode_utf8(out);
  if (encoding_ == Encoding::utf8 || encoding_ == Encoding::automatic) return;
  if (!converter_) converter_ = std::make_unique<Converter>("GB18030");
  int error = 0;
  const std::size_t used = converter_->convert(held_, out, error);
  if (error == EILSEQ) fail(used, encoding_ == Encoding::gb18030 ? "not GB18030" : "not UTF-16");
  held_.erase(0, used);
  position_ += used;
}

// Takes the valid characters at the front of held_. In automatic mode, switches to GB18030 at the first bytes that are
// not ASCII, if they are not UTF-8.
void TextDecoder::decode_utf8(std::string& out) {
  std::size_t at = 0;
  const std::string_view held = held_;
  bool switched = false;
  while (at < held.size()) {
    const int length = character_length(held.substr(at));
    if (length < 0 && !at_end_) break;
    if (length <= 0) {
      const std::string_view rest = held.substr(at, kSample);
      char found[40];
      std::snprintf(found, sizeof found, "not UTF-8 (found 0x%02X)", static_cast<unsigned char>(held[at]));
      if (length < 0) fail(at, "the text ends within a UTF-8 character");
      if (looks_like_utf16(held.substr(0, kSample)))
        fail(at, std::string(found) + ": looks like UTF-16: --encoding utf-16");
      if (!only_ascii_ || !looks_like_gb18030(rest))
        fail(at, std::string(found) + (only_ascii_ ? " and not GB18030" : ", after characters that are"));
      if (encoding_ == Encoding::utf8)
        fail(at, std::string(found) + ": looks like GB18030: --encoding gb18030");
      encoding_ = Encoding::gb18030;
      switched = true;
      break;
    }
    only_ascii_ = only_ascii_ && length == 1;
    at += static_cast<std::size_t>(length);
  }
  if (!switched && encoding_ == Encoding::utf8 && held.substr(0, at).find('\0') != std::string_view::npos &&
      looks_like_utf16(held.substr(0, kSample)))
    fail(0, "looks like UTF-16: --encoding utf-16");
  out.append(held_, 0, at);
  held_.erase(0, at);
  position_ += at;
}

std::string to_utf8(std::string_view bytes, Encoding encoding, const std::string& name) {
  std::string text;
  TextDecoder decoder(encoding, name);
  decoder.push(bytes, text);
  decoder.finish(text);
  return text;
}

}  // namespace tools
