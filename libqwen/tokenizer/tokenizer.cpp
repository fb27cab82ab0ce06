#include "qwen/tokenizer.h"

#include "base/fail.h"
#include "base/utf8.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_backend.h"

namespace qwen {
namespace tokenizer {

std::shared_ptr<const TokenizerBackend> make_tokenizer_backend(const formats::ModelFile& file) {
  const std::string_view model = file.string("tokenizer.ggml.model");
  if (model == "gpt2") return make_bpe_backend(file);
  if (model == "llama") return make_sentencepiece_backend(file);
  fail(ErrorCode::unsupported, file.path(), ": tokenizer.ggml.model: expected \"gpt2\" or \"llama\", found ",
       quoted(model));
}

}  // namespace tokenizer

std::vector<Token> Tokenizer::encode(std::string_view text, ControlTokens control) const {
  std::vector<Token> tokens;
  tokens.reserve(text.size() / 3 + 4);  // Chinese and English need about this many
  if (control == ControlTokens::parse) {
    const tokenizer::Vocabulary& vocabulary = backend_->vocabulary();
    while (const auto match = vocabulary.next_added(text, 0)) {
      if (match->position > 0) backend_->encode_text(text.substr(0, match->position), tokens);
      tokens.push_back(match->token);
      text.remove_prefix(match->position + match->length);
    }
  }
  if (!text.empty()) backend_->encode_text(text, tokens);
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
