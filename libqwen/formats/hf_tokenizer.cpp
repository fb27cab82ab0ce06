#include "formats/hf_directory.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/fail.h"
#include "formats/hf_vocabulary.h"
#include "formats/json_reader.h"
#include "formats/model_file.h"

namespace qwen::formats {
namespace {

// tokenizer_config.json
struct TokenizerConfig {
  std::optional<std::string> bos, eos, pad;
  std::optional<std::string> chat_template;
  std::string tokenizer_class;
  std::optional<bool> add_bos, add_eos;
  std::vector<AddedToken> added;
};

// "text", or {"content": "text", ...}
std::optional<std::string> read_token(JsonReader& in) {
  if (in.null()) return std::nullopt;
  if (in.peek() != JsonReader::Kind::object) return std::string(in.string());
  std::optional<std::string> content;
  in.object([&](std::string_view key) {
    if (key == "content") {
      content = in.string();
    } else {
      in.skip();
    }
  });
  return content;
}

// A text, or a list of {"name", "template"}, of which "default" is used.
std::optional<std::string> read_chat_template(JsonReader& in) {
  if (in.null()) return std::nullopt;
  if (in.peek() != JsonReader::Kind::array) return std::string(in.string());
  std::optional<std::string> found;
  in.array([&] {
    std::string name, text;
    in.object([&](std::string_view key) {
      if (key == "name") {
        name = in.string();
      } else if (key == "template") {
        text = in.string();
      } else {
        in.skip();
      }
    });
    if (name == "default") found = text;
  });
  return found;
}

TokenizerConfig read_tokenizer_config(const std::string& path, ModelFile& out) {
  JsonFile file(path, kMaxConfigBytes);
  JsonReader& in = file.in;
  TokenizerConfig config;
  unique_object(in, [&](std::string_view key) {
    if (key == "bos_token") {
      config.bos = read_token(in);
    } else if (key == "eos_token") {
      config.eos = read_token(in);
    } else if (key == "pad_token") {
      config.pad = read_token(in);
    } else if (key == "chat_template") {
      config.chat_template = read_chat_template(in);
    } else if (key == "tokenizer_class") {
      if (!in.null()) config.tokenizer_class = in.string();
    } else if (key == "add_bos_token") {
      if (!in.null()) config.add_bos = in.boolean();
    } else if (key == "add_eos_token") {
      if (!in.null()) config.add_eos = in.boolean();
    } else if (key == "added_tokens_decoder") {
      in.object([&](std::string_view id) { config.added.push_back(read_added_token(in, out, id)); });
    } else {
      in.skip();
    }
  });
  in.finish();
  return config;
}

// special_tokens_map.json: the texts of all tokens that it names.
std::vector<std::string> read_special_tokens(const std::string& path) {
  JsonFile file(path, kMaxConfigBytes);
  std::vector<std::string> tokens;
  const auto add = [&] {
    if (auto token = read_token(file.in)) tokens.push_back(std::move(*token));
  };
  file.in.object([&](std::string_view) {
    if (file.in.peek() != JsonReader::Kind::array) return add();
    file.in.array(add);
  });
  file.in.finish();
  return tokens;
}

void add_token_id(const char* key, const std::optional<std::string>& text,
                  const std::vector<std::int32_t>& fallback, const Vocabulary& vocabulary,
                  const std::string& folder, ModelFile& out) {
  std::optional<std::int32_t> id;
  if (text) id = vocabulary.find(*text);
  if (!id && !fallback.empty()) id = fallback.front();
  if (!id) return;
  if (*id >= vocabulary.size())
    fail(ErrorCode::bad_format, folder, ": ", key, " is ", *id, ", the vocabulary has ", vocabulary.size(),
         " tokens");
  out.add(key, meta_u32(static_cast<std::uint32_t>(*id)));
}

}  // namespace

void add_hf_tokenizer(const std::string& folder, const HfConfig& config, ModelFile& out) {
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  const auto found = [&](const char* name) { return file_exists(path(name)); };
  TokenizerConfig extra;
  if (found("tokenizer_config.json")) extra = read_tokenizer_config(path("tokenizer_config.json"), out);
  if (found("chat_template.jinja")) {
    const MappedFile text(path("chat_template.jinja"));
    if (text.bytes().size() > kMaxConfigBytes)
      fail(ErrorCode::bad_format, text.path(), ": ", text.bytes().size(), " bytes, expected at most ",
           kMaxConfigBytes);
    std::string_view content = text_of(text);
    if (content.starts_with("\xEF\xBB\xBF")) content.remove_prefix(3);  // byte order mark
    extra.chat_template = std::string(content);
  }

  std::string added_file = path("tokenizer_config.json");
  if (extra.added.empty() && found("added_tokens.json")) {  // directories of before 2024
    std::vector<std::string> special;
    if (found("special_tokens_map.json")) special = read_special_tokens(path("special_tokens_map.json"));
    added_file = path("added_tokens.json");
    extra.added = read_added_tokens(added_file, special, out);
  }

  Vocabulary vocabulary(config.vocab, out);
  SpecialTokens around;
  if (found("tokenizer.model")) {
    // A tokenizer.json beside it has the same content in another form.
    read_sentencepiece(path("tokenizer.model"), vocabulary, out);
  } else if (found("tokenizer.json")) {
    around = read_tokenizer_json(path("tokenizer.json"), vocabulary, out);
  } else if (found("vocab.json") && found("merges.txt")) {
    if (!extra.tokenizer_class.empty() && !extra.tokenizer_class.starts_with("Qwen2Tokenizer"))
      fail(ErrorCode::unsupported, path("tokenizer_config.json"), ": tokenizer_class ",
           quoted(extra.tokenizer_class), " is not supported, expected Qwen2Tokenizer");
    read_vocab_and_merges(path("vocab.json"), path("merges.txt"), vocabulary, out);
  } else {
    fail(ErrorCode::not_found, folder,
         ": no tokenizer: expected tokenizer.json, vocab.json with merges.txt, or tokenizer.model");
  }
  for (const AddedToken& token : extra.added) vocabulary.add(token, added_file);
  vocabulary.finish();
  if (around.first) extra.bos = around.first;
  // Qwen3-Embedding's texts end with <|endoftext|>, whatever its EOS token; <|im_end|> ends a turn in any case.
  if (around.last && extra.eos == "<|im_end|>") extra.eos = around.last;
  if (around.last && extra.eos && *around.last != *extra.eos)
    fail(ErrorCode::unsupported, path("tokenizer.json"), ": the post-processor ends a text with ",
         quoted(*around.last), ", which is not the EOS token ", quoted(*extra.eos));
  for (const auto& token : {around.first, around.last})
    if (token && !vocabulary.find(*token))
      fail(ErrorCode::bad_format, path("tokenizer.json"), ": the post-processor adds the unknown token ",
           quoted(*token));
  add_token_id("tokenizer.ggml.eos_token_id", extra.eos, config.eos, vocabulary, folder, out);
  add_token_id("tokenizer.ggml.padding_token_id", extra.pad, {}, vocabulary, folder, out);
  add_token_id("tokenizer.ggml.bos_token_id", extra.bos, config.bos, vocabulary, folder, out);
  const bool llama = extra.tokenizer_class.starts_with("LlamaTokenizer");  // adds BOS unless told otherwise
  out.add("tokenizer.ggml.add_bos_token", meta_boolean(extra.add_bos.value_or(llama) || around.first));
  out.add("tokenizer.ggml.add_eos_token", meta_boolean(extra.add_eos.value_or(false) || around.last));
  if (extra.chat_template)
    out.add("tokenizer.chat_template", meta_string(out.own(std::move(*extra.chat_template))));
}

}  // namespace qwen::formats
