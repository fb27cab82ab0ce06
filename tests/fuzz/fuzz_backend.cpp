// A vocabulary-only GGUF file: its tokeniser and chat template made and used.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/utf8.h"
#include "qwen/chat_template.h"
#include "qwen/error.h"
#include "tokenizer/tokenizer_backend.h"

using namespace qwen;

namespace {

void use(const Tokenizer& tokenizer) {
  for (const char* text : {"ab abba <|im_end|>", "\xE4\xBD\xA0\xE5\xA5\xBD\xFF 1", "   \n"}) {
    for (const auto special : {Tokenizer::ControlTokens::as_text, Tokenizer::ControlTokens::parse})
      for (const Token id : tokenizer.encode(text, special))
        if (id < 0 || id >= tokenizer.size()) std::abort();
  }
  std::vector<Token> all;
  for (Token id = 0; id < tokenizer.size(); ++id) all.push_back(id);
  if (!is_valid_utf8(tokenizer.decode(all, true))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  AlignedBuffer copy(size);
  if (size > 0) std::memcpy(copy.data(), data, size);
  try {
    const auto file = formats::open_gguf_memory({copy.data(), size}, "fuzz.gguf");
    const Tokenizer tokenizer(tokenizer::make_tokenizer_backend(*file));
    use(tokenizer);
    const std::vector<Message> messages = {{"user", "ab"}};
    ChatTemplate(file->optional_string("tokenizer.chat_template").value_or(""), tokenizer).render(messages);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) std::abort();
  }
  return 0;
}
