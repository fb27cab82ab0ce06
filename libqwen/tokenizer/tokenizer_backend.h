// The implementation of Tokenizer: a vocabulary and an algorithm that encodes plain text.
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
  // Appends the ids of `text`, which may be any bytes. Control tokens in it are ordinary text.
  virtual void encode_text(std::string_view text, std::vector<Token>& out) const = 0;
  // Whether encoding adds a space before the first word, which decoding a whole text removes.
  virtual bool adds_space_prefix() const noexcept { return false; }

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }

 protected:
  explicit TokenizerBackend(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

 private:
  Vocabulary vocabulary_;
};

// The tokenizer that a model file describes (tokenizer.ggml.*). Independent of the file afterwards.
// Throws unsupported if the kind of tokenizer is unknown.
// Throws not_found or bad_format if the vocabulary is incomplete.
std::shared_ptr<const TokenizerBackend> make_tokenizer_backend(const formats::ModelFile& file);

// tokenizer.ggml.model "gpt2": reads tokenizer.ggml.tokens, .token_type and .merges.
std::shared_ptr<const TokenizerBackend> make_bpe_backend(const formats::ModelFile& file);

// tokenizer.ggml.model "llama": reads tokenizer.ggml.tokens, .scores and .token_type. If the file has the
// original tokenizer.model (qwen.sentencepiece.model), its normalizer and model type are used; else the model
// is BPE with tokenizer.ggml.add_space_prefix and .remove_extra_whitespaces.
//
// Control tokens, and user-defined ones spelled like them ("<|im_end|>"), are never matched in plain text.
// Other user-defined pieces (runs of spaces, tags) are part of the model's segmentation.
std::shared_ptr<const TokenizerBackend> make_sentencepiece_backend(const formats::ModelFile& file);

}  // namespace qwen::tokenizer
