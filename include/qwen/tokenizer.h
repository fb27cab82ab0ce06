// Text to token ids and back, equal to the reference tokenizer of the Qwen family.
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

// Immutable and thread-safe; copies share the vocabulary.
class QWEN_API Tokenizer {
 public:
  enum class ControlTokens {  // how encode() treats control tokens in a text
    as_text,                  // "<|im_end|>" is ordinary text: the only safe choice for text from users
    parse,                    // control tokens and other added tokens in the text become their ids
  };

  explicit Tokenizer(std::shared_ptr<const tokenizer::TokenizerBackend> backend)
      : backend_(std::move(backend)) {}  // internal

  // Token ids of `text` (UTF-8). Each maximal invalid byte sequence counts as one U+FFFD, so any bytes have a
  // defined result. Adds no token at the front or the end; empty text has no tokens.
  std::vector<Token> encode(std::string_view text, ControlTokens control = ControlTokens::as_text) const;
  // One text of several parts. A control token is recognized only within a single part that is to be parsed; the
  // text between control tokens is encoded as a whole, across the borders of the parts.
  struct TextPart {
    std::string_view text;  // UTF-8; needed during the call only
    ControlTokens control;  // of this part
  };
  // Token ids of these parts, as of one text.
  std::vector<Token> encode(std::span<const TextPart> parts) const;

  // encode(), between the BOS and EOS token if the model's tokenizer adds them (add_bos_token, add_eos_token; no
  // official Qwen model does). For raw prompts; a chat template writes such tokens itself.
  std::vector<Token> encode_prompt(std::string_view text,
                                   ControlTokens control = ControlTokens::as_text) const;

  // The text of the tokens, as valid UTF-8: incomplete characters become U+FFFD (use TextStream to decode token
  // by token). Control tokens are left out unless `show_control`. SentencePiece: without the space that it adds
  // before a text.
  // Throws invalid_argument if an id is out of range.
  std::string decode(std::span<const Token> tokens, bool show_control = false) const;

  // The bytes of one token, which may be a part of a UTF-8 character; for a control token its spelling.
  // Throws invalid_argument if the id is out of range.
  std::string token_bytes(Token token) const;

  // Number of ids, 0 to size() - 1. Padding rows of the vocabulary decode to nothing.
  int size() const noexcept;
  bool is_control(Token token) const noexcept;  // false if the id is out of range
  // The id of a control token or of another added token, by its exact text: "<|im_end|>", "<think>".
  std::optional<Token> find_added_token(std::string_view text) const;

 private:
  std::shared_ptr<const tokenizer::TokenizerBackend> backend_;
};

// Decodes a stream of tokens into whole UTF-8 characters: holds back the bytes of an unfinished character until
// the tokens that complete it arrive. A stream continues a text: SentencePiece's space before the first word
// stays. One thread at a time.
class QWEN_API TextStream {
 public:
  // An empty stream.
  explicit TextStream(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}
  // Adds a token and returns the text that is complete now: often empty, never part of a character. Bytes that
  // cannot become a valid character are returned as U+FFFD at once. Control tokens add nothing.
  std::string push(Token token);
  // Returns U+FFFD for an unfinished character, and starts a new stream.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  std::string held_;  // at most 3 bytes: the beginning of a character
};

}  // namespace qwen
