// The tokenizer files of a Hugging Face directory as GGUF's tokenizer.* keys.
#pragma once
#include <string>

#include "formats/hf_config.h"
#include "formats/model_file.h"

namespace qwen::formats {

// Reads, whichever stands in `folder` first: tokenizer.model (SentencePiece), tokenizer.json, or vocab.json
// with merges.txt; and tokenizer_config.json and chat_template.jinja where they are. Rows of the embedding
// that have no token become unused tokens "[PADn]". A SentencePiece model is also kept whole, as the u8 array
// qwen.sentencepiece.model.
void add_hf_tokenizer(const std::string& folder, const HfConfig& config, ModelFile& out);

}  // namespace qwen::formats
