#include "formats/hf_vocabulary.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/fail.h"
#include "formats/hf_directory.h"
#include "formats/json_reader.h"
#include "formats/model_file.h"

namespace qwen::formats {
namespace {

constexpr std::size_t kMaxTokenizerBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxMerges = std::size_t{1} << 22;

// Qwen2's split pattern, as in tokenizer.json.
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string_view own_text(const JsonReader& in, std::string_view text, ModelFile& out) {
  return in.stable(text) ? text : out.own(std::string(text));
}

void add_bpe(std::vector<std::string_view> merges, ModelFile& out) {
  out.add("tokenizer.ggml.model", meta_string("gpt2"));
  out.add("tokenizer.ggml.pre", meta_string("qwen2"));
  out.add("tokenizer.ggml.merges", meta_strings(std::move(merges)));
}

void read_vocab(JsonReader& in, Vocabulary& vocabulary, ModelFile& out) {
  in.object([&](std::string_view key) {
    const auto text = own_text(in, key, out);
    vocabulary.place(in.integer(0, vocabulary.size() - 1), text, TokenType::normal, in.file());
  });
}

// "a b": two tokens with one space between them.
bool is_merge(std::string_view line) {
  const auto space = line.find(' ');
  return space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
         line.find(' ', space + 1) == std::string_view::npos;
}

std::vector<std::string_view> read_merges(JsonReader& in, ModelFile& out) {
  std::vector<std::string_view> merges;
  in.array([&] {
    if (merges.size() == kMaxMerges) in.bad("more than ", kMaxMerges, " merges");
    if (in.peek() == JsonReader::Kind::string) {
      merges.push_back(own_text(in, in.string(), out));
    } else {  // the newer form, ["a", "b"]
      std::string pair;
      int elements = 0;
      in.array([&] {
        if (elements++ > 0) pair += ' ';
        pair += in.string();
      });
      if (elements != 2) in.bad("merge ", merges.size(), ": expected two tokens, found ", elements);
      merges.push_back(out.own(std::move(pair)));
    }
    if (!is_merge(merges.back()))
      in.bad("merge ", merges.size() - 1, ": expected two tokens, found ", quoted(merges.back()));
  });
  return merges;
}

void expect_false(JsonReader& in, std::string_view key) {
  if (!in.null() && in.boolean()) in.refuse(ErrorCode::unsupported, key, " is not supported, expected false");
}

void read_model(JsonReader& in, Vocabulary& vocabulary, ModelFile& out) {
  bool has_vocab = false, has_merges = false;
  unique_object(in, [&](std::string_view key) {
    if (key == "type") {
      const auto type = in.string();
      if (type != "BPE")
        in.refuse(ErrorCode::unsupported, "a tokenizer of type ", quoted(type),
                  " is not supported, expected BPE");
    } else if (key == "vocab") {
      read_vocab(in, vocabulary, out);
      has_vocab = true;
    } else if (key == "merges") {
      add_bpe(read_merges(in, out), out);
      has_merges = true;
    } else if (key == "dropout") {
      if (!in.null() && in.real() != 0) in.refuse(ErrorCode::unsupported, "BPE dropout is not supported");
    } else if (key == "continuing_subword_prefix" || key == "end_of_word_suffix") {
      if (!in.null() && !in.string().empty()) in.refuse(ErrorCode::unsupported, key, " is not supported");
    } else if (key == "byte_fallback" || key == "ignore_merges" || key == "fuse_unk") {
      expect_false(in, key);
    } else {
      in.skip();
    }
  });
  if (!has_vocab || !has_merges) in.bad("the tokenizer's model has no ", has_vocab ? "merges" : "vocab");
}

void check_normalizer(JsonReader& in) {
  std::string type = "none";
  if (!in.null())
    in.object([&](std::string_view key) {
      if (key == "type") {
        type = in.string();
      } else {
        in.skip();
      }
    });
  if (type != "NFC")
    in.refuse(ErrorCode::unsupported, "the normalizer ", quoted(type), " is not supported, expected NFC");
}

// Checks the pre-tokenizers and counts their Split patterns.
void check_pre_tokenizer(JsonReader& in, int& splits) {
  std::string type;
  std::optional<bool> use_regex, add_prefix_space;
  unique_object(in, [&](std::string_view key) {
    if (key == "type") {
      type = in.string();
      if (type != "Sequence" && type != "Split" && type != "ByteLevel")
        in.refuse(ErrorCode::unsupported, "the pre-tokenizer ", quoted(type), " is not supported");
    } else if (key == "pretokenizers") {
      in.array([&] { check_pre_tokenizer(in, splits); });
    } else if (key == "pattern") {
      in.object([&](std::string_view kind) {
        const auto pattern = in.string();
        if (kind != "Regex" || pattern != kQwen2Pattern)
          in.refuse(ErrorCode::unsupported, "the split pattern ", quoted(pattern, 60), " is not Qwen2's");
        ++splits;
      });
    } else if (key == "behavior") {
      const auto behavior = in.string();
      if (behavior != "Isolated")
        in.refuse(ErrorCode::unsupported, "split behavior ", quoted(behavior),
                  " is not supported, expected Isolated");
    } else if (key == "add_prefix_space") {
      add_prefix_space = in.boolean();
    } else if (key == "use_regex") {
      use_regex = in.boolean();
    } else if (key == "invert") {
      expect_false(in, key);
    } else {
      in.skip();
    }
  });
  // The reference's default of both is true.
  if (type == "ByteLevel" && (add_prefix_space.value_or(true) || use_regex.value_or(true)))
    in.refuse(ErrorCode::unsupported,
              "the pre-tokenizer ByteLevel is supported with add_prefix_space and use_regex "
              "false only");
}

// One side of a TemplateProcessing: [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}].
SpecialTokens read_template(JsonReader& in) {
  SpecialTokens tokens;
  bool after = false;
  in.array([&] {
    in.object([&](std::string_view kind) {
      std::string id;
      in.object([&](std::string_view key) {
        if (key == "id") {
          id = in.string();
        } else {
          in.skip();
        }
      });
      if (kind == "Sequence") {
        after = true;
        return;
      }
      std::optional<std::string>& place = after ? tokens.last : tokens.first;
      if (place) in.refuse(ErrorCode::unsupported, "more than one special token on a side of a text");
      place = id;
    });
  });
  return tokens;
}

void read_post_processor(JsonReader& in, SpecialTokens& tokens) {
  if (in.null()) return;
  unique_object(in, [&](std::string_view key) {
    if (key == "type") {
      const auto type = in.string();
      if (type != "ByteLevel" && type != "TemplateProcessing" && type != "Sequence")
        in.refuse(ErrorCode::unsupported, "the post-processor ", quoted(type), " is not supported");
    } else if (key == "processors") {
      in.array([&] { read_post_processor(in, tokens); });
    } else if (key == "single") {
      if (tokens.first || tokens.last) in.refuse(ErrorCode::unsupported, "two post-processors add tokens");
      tokens = read_template(in);
    } else {
      in.skip();
    }
  });
}

void check_decoder(JsonReader& in) {
  if (in.null()) return;
  unique_object(in, [&](std::string_view key) {
    if (key != "type") return in.skip();
    const auto type = in.string();
    if (type != "ByteLevel")
      in.refuse(ErrorCode::unsupported, "the decoder ", quoted(type),
                " is not supported, expected ByteLevel");
  });
}

}  // namespace

Vocabulary::Vocabulary(int size, ModelFile& out)
    : out_(out),
      tokens_(static_cast<std::size_t>(size)),
      types_(static_cast<std::size_t>(size), static_cast<std::int32_t>(TokenType::unused)) {}

void Vocabulary::place(std::int64_t id, std::string_view text, TokenType type, const std::string& file) {
  if (id < 0 || id >= size())
    fail(ErrorCode::bad_format, file, ": token ", quoted(text), " has id ", id, ", the vocabulary has ",
         size(), " tokens (vocab_size in config.json)");
  const auto i = static_cast<std::size_t>(id);
  if (tokens_[i].data() != nullptr)
    fail(ErrorCode::bad_format, file, ": tokens ", quoted(tokens_[i]), " and ", quoted(text),
         " have the same id ", id);
  tokens_[i] = text;
  types_[i] = static_cast<std::int32_t>(type);
}

void Vocabulary::add(const AddedToken& token, const std::string& file) {
  // Some files mark "<|fim_prefix|>" and similar tokens as not special; GGUF converters decide by the spelling.
  const bool control = token.special || (token.text.starts_with("<|") && token.text.ends_with("|>"));
  const TokenType type = control ? TokenType::control : TokenType::user_defined;
  if (token.id >= 0 && token.id < size() && tokens_[static_cast<std::size_t>(token.id)] == token.text &&
      !token.text.empty()) {
    types_[static_cast<std::size_t>(token.id)] = static_cast<std::int32_t>(type);
  } else {
    place(token.id, token.text, type, file);
  }
  flags_[token.id] = token.flags;
}

std::optional<std::int32_t> Vocabulary::find(std::string_view text) const noexcept {
  // Control tokens have the highest ids.
  const auto found = std::find(tokens_.rbegin(), tokens_.rend(), text);
  if (found == tokens_.rend()) return std::nullopt;
  return static_cast<std::int32_t>(tokens_.rend() - found) - 1;
}

void Vocabulary::finish() {
  for (std::size_t i = 0; i < tokens_.size(); ++i)
    if (tokens_[i].data() == nullptr) tokens_[i] = out_.own(cat("[PAD", i, "]"));
  const auto numbers = [&](const std::vector<std::int32_t>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    MetaValue value = meta_numbers<std::int32_t>(MetaType::i32, values);
    value.numbers = out_.own(std::vector<std::byte>(bytes.begin(), bytes.end()));
    return value;
  };
  out_.add("tokenizer.ggml.tokens", meta_strings(tokens_));
  out_.add("tokenizer.ggml.token_type", numbers(types_));
  std::vector<std::int32_t> flags;
  for (const auto& [id, bits] : flags_)
    if (bits != 0) flags.insert(flags.end(), {id, bits});
  if (!flags.empty()) out_.add("qwen.tokenizer.added_token_flags", numbers(flags));
}

std::vector<AddedToken> read_added_tokens(const std::string& path, const std::vector<std::string>& special,
                                          ModelFile& out) {
  JsonFile file(path, kMaxConfigBytes);
  std::vector<AddedToken> tokens;
  unique_object(file.in, [&](std::string_view key) {
    AddedToken token;
    token.text = out.own(std::string(key));
    token.id = static_cast<std::int32_t>(file.in.integer(0, 1 << 30));
    token.special = std::find(special.begin(), special.end(), key) != special.end();
    tokens.push_back(token);
  });
  file.in.finish();
  return tokens;
}

AddedToken read_added_token(JsonReader& in, ModelFile& out, std::string_view id) {
  AddedToken token;
  if (!id.empty()) {
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), token.id);
    if (error != std::errc() || end != id.data() + id.size() || token.id < 0)
      in.bad("added token: expected an id as key, found ", quoted(id));
  }
  in.object([&](std::string_view key) {
    if (key == "id") {
      token.id = static_cast<std::int32_t>(in.integer(0, 1 << 30));
    } else if (key == "content") {
      token.text = out.own(std::string(in.string()));
    } else if (key == "special") {
      token.special = in.boolean();
    } else if (key == "lstrip") {
      token.flags |= in.boolean() ? kStripLeft : 0;
    } else if (key == "rstrip") {
      token.flags |= in.boolean() ? kStripRight : 0;
    } else if (key == "single_word") {
      token.flags |= in.boolean() ? kSingleWord : 0;
    } else {
      in.skip();
    }
  });
  if (token.id < 0 || token.text.empty()) in.bad("an added token has no ", token.id < 0 ? "id" : "content");
  return token;
}

SpecialTokens read_tokenizer_json(const std::string& path, Vocabulary& vocabulary, ModelFile& out) {
  // Mapped for the lifetime of `out`: the tokens point into it.
  const MappedFile& map = out.shard(out.add_shard(MappedFile(path)));
  if (map.bytes().size() > kMaxTokenizerBytes)
    fail(ErrorCode::bad_format, path, ": ", map.bytes().size(), " bytes, expected at most ",
         kMaxTokenizerBytes);
  JsonReader in(text_of(map), path);
  std::vector<AddedToken> added;
  bool has_model = false, has_normalizer = false;
  int splits = 0;
  SpecialTokens around;
  unique_object(in, [&](std::string_view key) {
    if (key == "added_tokens") {
      in.array([&] { added.push_back(read_added_token(in, out)); });
    } else if (key == "normalizer") {
      check_normalizer(in);
      has_normalizer = true;
    } else if (key == "pre_tokenizer") {
      if (!in.null()) check_pre_tokenizer(in, splits);
    } else if (key == "model") {
      read_model(in, vocabulary, out);
      has_model = true;
    } else if (key == "post_processor") {
      read_post_processor(in, around);
    } else if (key == "decoder") {
      check_decoder(in);
    } else {  // truncation and padding, which the reference resets for each call
      in.skip();
    }
  });
  in.finish();
  if (!has_model || !has_normalizer || splits != 1)
    fail(ErrorCode::unsupported, path, ": not a tokenizer of the Qwen family: expected ",
         !has_model        ? "a model"
         : !has_normalizer ? "a normalizer"
                           : "a pre_tokenizer with one split pattern");
  for (const AddedToken& token : added) vocabulary.add(token, path);
  return around;
}

void read_vocab_and_merges(const std::string& vocab, const std::string& merges, Vocabulary& vocabulary,
                           ModelFile& out) {
  const MappedFile& map = out.shard(out.add_shard(MappedFile(vocab)));
  if (map.bytes().size() > kMaxTokenizerBytes)
    fail(ErrorCode::bad_format, vocab, ": ", map.bytes().size(), " bytes, expected at most ",
         kMaxTokenizerBytes);
  JsonReader in(text_of(map), vocab);
  read_vocab(in, vocabulary, out);
  in.finish();

  std::string_view text = text_of(out.shard(out.add_shard(MappedFile(merges))));
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // byte order mark
  std::vector<std::string_view> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    if (!is_merge(line) || lines.size() == kMaxMerges)
      fail(ErrorCode::bad_format, merges, ":", number, ": expected two tokens, found ", quoted(line));
    lines.push_back(line);
  }
  add_bpe(std::move(lines), out);
}

}  // namespace qwen::formats
