#include "qwen/tokenizer.h"

#include <limits>

#include "base/fail.h"
#include "base/utf8.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_backend.h"

namespace qwen {
namespace tokenizer {

std::optional<Token> optional_token_id(const formats::ModelFile& file, std::string_view key) {
  const auto id = file.optional_integer(key);
  if (!id || *id == -1 || *id == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  const auto* tokens = file.strings("tokenizer.ggml.tokens");
  const std::size_t size = tokens != nullptr ? tokens->size() : 0;
  if (*id < 0 || static_cast<std::uint64_t>(*id) >= size)
    fail(ErrorCode::bad_format, file.path(), ": ", key, ": expected less than ", size, ", found ", *id);
  return static_cast<Token>(*id);
}

TokenType token_type(const formats::ModelFile& file, std::size_t index, std::int32_t number) {
  if (number < 0 || number > 6)
    fail(ErrorCode::bad_format, file.path(), ": tokenizer.ggml.token_type[", index,
         "]: expected 0 to 6, found ", number);
  return number == 0 ? TokenType::normal : static_cast<TokenType>(number);
}

void read_added_token_flags(const formats::ModelFile& file, Vocabulary& vocabulary) {
  constexpr const char* kKey = "qwen.tokenizer.added_token_flags";
  const std::vector<std::int32_t> pairs = file.integers(kKey);
  if (pairs.size() % 2 != 0)
    fail(ErrorCode::bad_format, file.path(), ": ", kKey, ": expected pairs of id and flags");
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    if (!vocabulary.contains(pairs[i]))
      fail(ErrorCode::bad_format, file.path(), ": ", kKey, ": no token ", pairs[i]);
    vocabulary.set_flags(pairs[i], pairs[i + 1]);
  }
}

bool looks_like_control(std::string_view text) noexcept {
  return text.size() > 4 && text.starts_with("<|") && text.ends_with("|>");
}

namespace {

// The token for a flag such as add_bos_token. Some files set the flag and have no such token.
std::optional<Token> token_if(const formats::ModelFile& file, const char* flag, const char* key,
                              bool fallback, TokenizerBackend& backend) {
  if (!file.optional_boolean(flag).value_or(fallback)) return std::nullopt;
  const auto token = optional_token_id(file, key);
  if (!token && file.find(flag) != nullptr)
    backend.warn(cat(flag, " is true, but ", key, " is missing: no token is added"));
  return token;
}

}  // namespace

std::shared_ptr<const TokenizerBackend> make_tokenizer_backend(const formats::ModelFile& file) {
  const std::string_view model = file.string("tokenizer.ggml.model");
  std::shared_ptr<TokenizerBackend> backend;
  if (model == "gpt2") {
    backend = make_bpe_backend(file);
  } else if (model == "llama") {
    backend = make_sentencepiece_backend(file);
  } else {
    fail(ErrorCode::unsupported, file.path(),
         ": tokenizer.ggml.model: expected \"gpt2\" or \"llama\", found ", quoted(model));
  }
  // GGUF: SentencePiece vocabularies add BOS unless the file says otherwise.
  backend->add_around_prompt(
      token_if(file, "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", model == "llama",
               *backend),
      token_if(file, "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", false, *backend));
  return backend;
}

}  // namespace tokenizer

std::vector<Token> Tokenizer::encode(std::string_view text, ControlTokens control) const {
  const TextPart part{text, control};
  return encode({&part, 1});
}

std::vector<Token> Tokenizer::encode(std::span<const TextPart> parts) const {
  std::vector<Token> tokens;
  std::size_t bytes = 0;
  for (const TextPart& part : parts) bytes += part.text.size();
  tokens.reserve(bytes / 3 + 4);  // Chinese and English need about this many
  const tokenizer::Vocabulary& vocabulary = backend_->vocabulary();
  // The text since the last control token: a view while it lies within one part, else a copy.
  std::string_view plain;
  std::string joined;
  const auto add = [&](std::string_view text) {
    if (text.empty()) return;
    if (plain.empty()) {
      plain = text;
      return;
    }
    if (joined.empty()) joined = plain;
    joined += text;
    plain = joined;
  };
  const auto flush = [&] {
    if (!plain.empty()) backend_->encode_text(plain, tokens);
    plain = {};
    joined.clear();
  };
  for (const TextPart& part : parts) {
    const std::string_view text = part.text;
    std::size_t at = 0;
    if (part.control == ControlTokens::parse) {
      while (const auto match = vocabulary.next_added(text, at)) {
        add(text.substr(at, match->position - at));
        flush();
        tokens.push_back(match->token);
        at = match->position + match->length;
      }
    }
    add(text.substr(at));
  }
  flush();
  return tokens;
}

std::vector<Token> Tokenizer::encode_prompt(std::string_view text, ControlTokens control) const {
  std::vector<Token> tokens = encode(text, control);
  if (const auto token = backend_->leading_token()) tokens.insert(tokens.begin(), *token);
  if (const auto token = backend_->trailing_token()) tokens.push_back(*token);
  return tokens;
}

std::string Tokenizer::decode(std::span<const Token> tokens, bool show_control) const {
  const tokenizer::Vocabulary& vocabulary = backend_->vocabulary();
  std::string bytes;
  bool first = true;
  for (const Token token : tokens) {
    if (!vocabulary.contains(token))
      fail(ErrorCode::invalid_argument, "token ", token, ": expected 0 to ", vocabulary.size() - 1);
    std::string_view own = vocabulary.bytes(token);
    if (is_control(token)) {
      if (show_control) bytes += own;
      continue;
    }
    if (first && backend_->adds_space_prefix() && own.starts_with(' ')) own.remove_prefix(1);
    first = false;
    bytes += own;
  }
  return is_valid_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

std::string Tokenizer::token_bytes(Token token) const {
  const tokenizer::Vocabulary& vocabulary = backend_->vocabulary();
  if (!vocabulary.contains(token))
    fail(ErrorCode::invalid_argument, "token ", token, ": expected 0 to ", vocabulary.size() - 1);
  return std::string(vocabulary.bytes(token));
}

int Tokenizer::size() const noexcept {
  return backend_->vocabulary().size();
}

bool Tokenizer::is_control(Token token) const noexcept {
  const tokenizer::Vocabulary& vocabulary = backend_->vocabulary();
  return vocabulary.contains(token) && vocabulary.type(token) == tokenizer::TokenType::control;
}

std::optional<Token> Tokenizer::find_added_token(std::string_view text) const {
  return backend_->vocabulary().find_added(text);
}

std::string TextStream::push(Token token) {
  if (tokenizer_.is_control(token)) return {};
  held_ += tokenizer_.token_bytes(token);
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Step step = decode_utf8(rest);
    if (step.incomplete) break;
    const auto length = static_cast<std::size_t>(step.length);
    text += step.code_point < 0 ? kReplacementCharacter : rest.substr(0, length);
    rest.remove_prefix(length);
  }
  held_ = std::string(rest);
  return text;
}

std::string TextStream::finish() {
  std::string text = replace_invalid_utf8(held_);
  held_.clear();
  return text;
}

}  // namespace qwen
