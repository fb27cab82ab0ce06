// The vocabulary formats of Hugging Face directories.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json_reader.h"
#include "formats/model_file.h"

namespace qwen::formats {

// Numbers of GGUF's tokenizer.ggml.token_type and of SentencePiece.
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
  std::string_view text;  // owned by the ModelFile
  bool special = false;
  std::int32_t flags = 0;  // AddedTokenFlag
};

// Collects tokens by id.
class Vocabulary {
 public:
  // `size`: rows of the embedding.
  Vocabulary(int size, ModelFile& out);
  int size() const noexcept { return static_cast<int>(tokens_.size()); }
  // Throws bad_format, naming `file`, if the id is out of range or taken.
  void place(std::int64_t id, std::string_view text, TokenType type, const std::string& file);
  // An added token that repeats a token of the vocabulary only changes its type.
  void add(const AddedToken& token, const std::string& file);
  std::optional<std::int32_t> find(std::string_view text) const noexcept;
  // Fills rows without a token and adds tokenizer.ggml.tokens, .token_type and the flags of added tokens.
  void finish();

 private:
  ModelFile& out_;
  std::vector<std::string_view> tokens_;        // null data if the id has no token
  std::vector<std::int32_t> types_;             // TokenType
  std::map<std::int32_t, std::int32_t> flags_;  // AddedTokenFlag by id
};

// added_tokens.json, {"<|im_end|>": 151645, ...}: the tokens that `special` lists, or that are spelled like control
// tokens, are special.
std::vector<AddedToken> read_added_tokens(const std::string& path, const std::vector<std::string>& special,
                                          ModelFile& out);

// {"content": ..., "special": ...}. `id` is the key in tokenizer_config.json; tokenizer.json has an "id" inside.
AddedToken read_added_token(JsonReader& in, ModelFile& out, std::string_view id = {});

// Tokens that the post-processor of a tokenizer.json puts around a text.
struct SpecialTokens {
  std::optional<std::string> first, last;
};

// Each adds tokenizer.ggml.model with pre and merges, or with scores, to `out`.
SpecialTokens read_tokenizer_json(const std::string& path, Vocabulary& vocabulary, ModelFile& out);
void read_vocab_and_merges(const std::string& vocab, const std::string& merges, Vocabulary& vocabulary,
                           ModelFile& out);
void read_sentencepiece(const std::string& path, Vocabulary& vocabulary, ModelFile& out);

}  // namespace qwen::formats
