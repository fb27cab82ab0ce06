// Any bytes as text and as ids: what must hold for all of them.
#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/utf8.h"
#include "qwen/chat_template.h"
#include "tokenizer/normalize.h"
#include "tokenizer/split.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<Token>& ids) {
  TextStream stream(tokenizer);
  std::string text;
  for (const Token id : ids) {
    const std::string piece = stream.push(id);
    require(is_valid_utf8(piece));
    text += piece;
  }
  return text + stream.finish();
}

std::vector<std::string_view> pieces(const tokenizer::Splitter& splitter, std::string_view text) {
  std::vector<std::string_view> all;
  tokenizer::Splitter::Cursor cursor(splitter, text);
  for (std::string_view piece = cursor.next(); !piece.empty(); piece = cursor.next()) all.push_back(piece);
  return all;
}

std::string whole_nfc(const std::string& valid) {
  utf8proc_uint8_t* out = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()),
                              static_cast<utf8proc_ssize_t>(valid.size()), &out,
                              static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  require(n >= 0);
  const std::string text(reinterpret_cast<const char*>(out), static_cast<std::size_t>(n));
  std::free(out);
  return text;
}

void check_text(const Tokenizer& tokenizer, const std::string& text) {
  std::string storage;
  const std::string_view nfc = tokenizer::to_nfc(text, storage);
  require(nfc == whole_nfc(replace_invalid_utf8(text)));
  static const tokenizer::Splitter jit, interpreted(false);
  require(pieces(jit, nfc) == pieces(interpreted, nfc));

  const std::vector<Token> plain = tokenizer.encode(text);
  for (const Token id : plain) require(id >= 0 && id < tokenizer.size() && !tokenizer.is_control(id));
  require(tokenizer.decode(plain) == nfc);
  require(streamed(tokenizer, plain) == nfc);
  const std::vector<Token> parsed = tokenizer.encode(text, Tokenizer::ControlTokens::parse);
  require(is_valid_utf8(tokenizer.decode(parsed, true)));

  static const ChatTemplate chat("qwen2.5", tokenizer);
  const std::vector<Message> messages = {{"user", text}, {"assistant", text}};
  const std::vector<Token> turns = chat.render(messages);
  require(std::count_if(turns.begin(), turns.end(), [&](Token id) { return tokenizer.is_control(id); }) == 7);
}

void check_ids(const Tokenizer& tokenizer, const std::uint8_t* data, std::size_t size) {
  std::vector<Token> ids;
  for (std::size_t i = 0; i + 1 < size; i += 2)
    ids.push_back((data[i] << 8 | data[i + 1]) % tokenizer.size());
  const std::string text = tokenizer.decode(ids);
  require(is_valid_utf8(text));
  require(streamed(tokenizer, ids) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Tokenizer tokenizer = test::small_tokenizer();
  check_text(tokenizer, std::string(reinterpret_cast<const char*>(data), size));
  check_ids(tokenizer, data, size);
  return 0;
}
