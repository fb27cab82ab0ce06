// Texts in any encoding: the result does not depend on the pieces in which a text arrives, and is UTF-8.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/utf8.h"
#include "common/encoding.h"
#include "qwen/error.h"

namespace {

std::optional<std::string> decode(std::string_view text, tools::Encoding encoding, std::size_t piece) {
  std::string out;
  try {
    tools::TextDecoder decoder(encoding, "fuzz");
    for (std::size_t at = 0; at < text.size(); at += piece) decoder.push(text.substr(at, piece), out);
    decoder.finish(out);
  } catch (const qwen::Error&) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto encoding : {tools::Encoding::utf8, tools::Encoding::gb18030, tools::Encoding::utf16}) {
    const auto whole = decode(text, encoding, size + 1);
    // UTF-16 without a mark is recognized by what a piece holds, so errors may depend on the pieces.
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}})
      if (const auto pieces = decode(text, encoding, piece); whole && pieces && *pieces != *whole)
        std::abort();
    if (whole && !qwen::is_valid_utf8(*whole)) std::abort();
  }
  if (const auto found = decode(text, tools::Encoding::automatic, size + 1);
      found && !qwen::is_valid_utf8(*found))
    std::abort();
  return 0;
}
