// Text to token ids and back, exactly as the reference tokeniser of the Qwen family does it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/export.h"

namespace qwen {

using Token = std::int32_t;  // an id of the vocabulary

namespace tokenizer {
class TokenizerBackend;
}

// Immutable and safe to use from many threads at once; copying shares the vocabulary.
class QWEN_API Tokenizer {
 public:
  enum class ControlTokens {  // what control tokens in a text are
    as_text,  // "<|im_end|>" in the text is ordinary text: the only safe choice for text from users
    parse,    // control tokens in the text, and others added to the vocabulary, become their ids
  };

  explicit Tokenizer(std::shared_ptr<const tokenizer::TokenizerBackend> backend)
      : backend_(std::move(backend)) {}  // internal

  // Token ids of `text` (UTF-8). Each maximal invalid byte sequence counts as one U+FFFD. Never fails on
  // content; an empty text gives no tokens. No token is added at the front or the end.
  std::vector<Token> encode(std::string_view text, ControlTokens control = ControlTokens::as_text) const;

  // The bytes of the tokens joined. Control tokens are left out unless `show_control`. Half characters at
  // either end become U+FFFD; use TextStream to decode token by token. Takes away the space that
  // SentencePiece puts before a text. Error(invalid_argument) for an id out of range.
  std::string decode(std::span<const Token> tokens, bool show_control = false) const;

  // The bytes that one token stands for (may be a part of a UTF-8 character). Control tokens give their own
  // text.
  std::string token_bytes(Token token) const;

  // Number of ids; every id in [0, size()) is valid for decode (padding rows of the vocabulary decode to
  // nothing).
  int size() const noexcept;
  bool is_control(Token token) const noexcept;  // false for ids out of range
  // The id of a control token, or of another token added to the vocabulary, by its exact text: "<|im_end|>",
  // "<think>".
  std::optional<Token> find_added_token(std::string_view text) const;

 private:
  std::shared_ptr<const tokenizer::TokenizerBackend> backend_;
};

// Decodes a stream of tokens into whole UTF-8 characters: bytes of an unfinished character are held back
// until the tokens that complete it arrive. One thread at a time. A stream continues a text: SentencePiece's
// space before a first word stays.
class QWEN_API TextStream {
 public:
  explicit TextStream(Tokenizer tokenizer)
      : tokenizer_(std::move(tokenizer)) {}  // at the beginning of a reply
  // Adds a token and returns the text that is complete now (often empty, never half a character). Bytes that
  // cannot become a valid character come out as U+FFFD at once. Control tokens add nothing.
  std::string push(Token token);
  // Ends the stream: an unfinished character comes out as U+FFFD. The stream is empty again afterwards.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  std::string held_;  // at most 3 bytes: the beginning of a character
};

}  // namespace qwen
