// What stands behind Tokenizer: a vocabulary, and one way to cut plain text into its tokens.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/model_file.h"
#include "tokenizer/vocabulary.h"

namespace qwen::tokenizer {

// Immutable, thread-safe.
class TokenizerBackend {
 public:
  virtual ~TokenizerBackend() = default;

  virtual std::string_view kind() const noexcept = 0;  // "bpe" or "sentencepiece"
  // Appends the ids of `text`: any bytes; control tokens in it are ordinary text.
  virtual void encode_text(std::string_view text, std::vector<Token>& out) const = 0;
  // The first word of a text is stored with a space before it, which decoding a whole text takes away again.
  virtual bool adds_space_prefix() const noexcept { return false; }

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }

 protected:
  explicit TokenizerBackend(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

 private:
  Vocabulary vocabulary_;
};

// The tokeniser that a model file describes (tokenizer.ggml.*). Nothing of the file is needed afterwards.
// Error(unsupported) for another kind of tokeniser, by name; Error(bad_format) for a vocabulary that is not
// whole.
std::shared_ptr<const TokenizerBackend> make_tokenizer_backend(const formats::ModelFile& file);

}  // namespace qwen::tokenizer
