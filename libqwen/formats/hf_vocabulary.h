// The forms in which a Hugging Face directory holds its vocabulary.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json_reader.h"
#include "formats/model_file.h"

namespace qwen::formats {

// GGUF's token types (tokenizer.ggml.token_type), which are SentencePiece's.
enum class TokenType : std::int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct AddedToken {
  std::int32_t id = -1;
  std::string_view text;  // kept by the ModelFile
  bool special = false;
};

// The tokens by id, in the making.
class Vocabulary {
 public:
  // `size` ids, as many as the embedding has rows.
  Vocabulary(int size, ModelFile& out);
  int size() const noexcept { return static_cast<int>(tokens_.size()); }
  // Error(bad_format) naming `file` where the id is out of range or taken.
  void place(std::int64_t id, std::string_view text, TokenType type, const std::string& file);
  // An added token may repeat a token of the vocabulary: then it only changes its type.
  void add(const AddedToken& token, const std::string& file);
  std::optional<std::int32_t> find(std::string_view text) const noexcept;
  // Names the rows without a token and adds tokenizer.ggml.tokens and .token_type to the file.
  void finish();

 private:
  ModelFile& out_;
  std::vector<std::string_view> tokens_;  // null data: no token
  std::vector<std::int32_t> types_;       // TokenType
};

// {"content": ..., "special": ...} with "id" inside or, in tokenizer_config.json, as the key.
AddedToken read_added_token(JsonReader& in, ModelFile& out, std::string_view id = {});

// Each adds tokenizer.ggml.model and what else its form has (pre, merges; scores) to `out`.
void read_tokenizer_json(const std::string& path, Vocabulary& vocabulary, ModelFile& out);
void read_vocab_and_merges(const std::string& vocab, const std::string& merges, Vocabulary& vocabulary,
                           ModelFile& out);
void read_sentencepiece(const std::string& path, Vocabulary& vocabulary, ModelFile& out);

}  // namespace qwen::formats
