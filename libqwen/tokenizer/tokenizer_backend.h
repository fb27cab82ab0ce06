// The implementation of Tokenizer: a vocabulary and an algorithm that encodes plain text.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/model_file.h"
#include "tokenizer/vocabulary.h"

namespace qwen::tokenizer {

// Keys of GGUF.
inline constexpr std::string_view kTokens = "tokenizer.ggml.tokens", kTypes = "tokenizer.ggml.token_type";

// Immutable, thread-safe.
class TokenizerBackend {
 public:
  virtual ~TokenizerBackend() = default;

  virtual std::string_view kind() const noexcept = 0;  // "bpe" or "sentencepiece"
  // Appends the ids of `text`, which may be any bytes. Control tokens in it are ordinary text.
  virtual void encode_text(std::string_view text, std::vector<Token>& out) const = 0;
  // Whether encoding adds a space before the first word, which decoding a whole text removes.
  virtual bool adds_space_prefix() const noexcept { return false; }

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }
  // Tokens that the model's author puts around a prompt (add_bos_token, add_eos_token).
  std::optional<Token> leading_token() const noexcept { return leading_; }
  std::optional<Token> trailing_token() const noexcept { return trailing_; }
  // What was corrected in the file's vocabulary, one line each.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  // Only before the backend is shared.
  void add_around_prompt(std::optional<Token> leading, std::optional<Token> trailing) {
    leading_ = leading;
    trailing_ = trailing;
  }
  void warn(std::string line) { warnings_.push_back(std::move(line)); }

 protected:
  explicit TokenizerBackend(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

 private:
  Vocabulary vocabulary_;
  std::optional<Token> leading_, trailing_;
  std::vector<std::string> warnings_;
};

// tokenizer.ggml.*_token_id: nullopt if the key is missing or says "none" (-1, in 32 or 64 bits).
// Throws bad_format for any other id that tokenizer.ggml.tokens does not have.
std::optional<Token> optional_token_id(const formats::ModelFile& file, std::string_view key);
// tokenizer.ggml.token_type[index]; 0 (undefined) is a normal token.
// Throws bad_format for numbers above 6.
TokenType token_type(const formats::ModelFile& file, std::size_t index, std::int32_t number);
// Sets the flags of qwen.tokenizer.added_token_flags, which directories with such tokens have.
// Throws bad_format for an id out of range.
void read_added_token_flags(const formats::ModelFile& file, Vocabulary& vocabulary);
// Spelled like a control token: "<|im_end|>".
bool looks_like_control(std::string_view text) noexcept;

// The tokenizer that a model file describes (tokenizer.ggml.*). Independent of the file afterwards.
// Throws unsupported if the kind of tokenizer is unknown.
// Throws not_found or bad_format if the vocabulary is incomplete.
std::shared_ptr<const TokenizerBackend> make_tokenizer_backend(const formats::ModelFile& file);

// tokenizer.ggml.model "gpt2": reads tokenizer.ggml.tokens, .token_type and .merges.
std::shared_ptr<TokenizerBackend> make_bpe_backend(const formats::ModelFile& file);

// tokenizer.ggml.model "llama": reads tokenizer.ggml.tokens, .scores and .token_type. If the file has the
// original tokenizer.model (qwen.sentencepiece.model), its normalizer and model type are used; else the model
// is BPE with tokenizer.ggml.add_space_prefix and .remove_extra_whitespaces.
//
// Control tokens, and user-defined ones spelled like them ("<|im_end|>"), are never matched in plain text.
// Other user-defined pieces (runs of spaces, tags) are part of the model's segmentation.
std::shared_ptr<TokenizerBackend> make_sentencepiece_backend(const formats::ModelFile& file);

}  // namespace qwen::tokenizer
