// SentencePiece through its own library.
#pragma once
#include <memory>

#include "tokenizer/tokenizer_backend.h"

namespace qwen::tokenizer {

// Reads tokenizer.ggml.tokens, .scores and .token_type of a "llama" vocabulary. A model that came from a
// tokenizer.model keeps its own normaliser and kind (qwen.sentencepiece.model); without it, it is BPE over
// pieces with tokenizer.ggml.add_space_prefix and .remove_extra_whitespaces.
//
// Control tokens, and user-defined ones that are spelt like them ("<|im_end|>"), are never found in plain
// text. Other user-defined pieces (runs of spaces, tags of a language) are a part of how the model cuts text,
// and stay.
std::shared_ptr<const TokenizerBackend> make_sentencepiece_backend(const formats::ModelFile& file);

}  // namespace qwen::tokenizer
