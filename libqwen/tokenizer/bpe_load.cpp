// Byte-level BPE from a model file's metadata. Tokens are written in GPT-2's alphabet: bytes that are not
// printable Latin-1 characters are mapped to U+0100 and up.
#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"
#include "tokenizer/bpe.h"
#include "tokenizer/token_index.h"

namespace qwen::tokenizer {
namespace {

constexpr std::string_view kMerges = "tokenizer.ggml.merges", kPre = "tokenizer.ggml.pre";

struct Alphabet {
  std::array<std::int16_t, 0x144> byte_of;      // by code point; -1: none
  std::array<std::int32_t, 256> code_point_of;  // by byte
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet{};
  for (auto& byte : alphabet.byte_of) byte = -1;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const int code_point = printable ? byte : next++;
    alphabet.byte_of[static_cast<std::size_t>(code_point)] = static_cast<std::int16_t>(byte);
    alphabet.code_point_of[static_cast<std::size_t>(byte)] = code_point;
  }
  return alphabet;
}
constexpr Alphabet kAlphabet = make_alphabet();

// The bytes that `text` spells in the alphabet; `text` itself if it has any other character, as in the
// reference.
std::string_view alphabet_bytes(std::string_view text, std::string& storage) {
  storage.resize(text.size());
  std::size_t n = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    std::size_t code_point = lead, length = 1;
    if (lead >= 0xC2 && lead <= 0xC5 && at + 1 < text.size()) {  // U+0080 to U+017F
      code_point =
          static_cast<std::size_t>(lead & 0x1F) << 6 | (static_cast<unsigned char>(text[at + 1]) & 0x3F);
      length = 2;
    } else if (lead >= 0x80) {
      return text;
    }
    if (code_point >= kAlphabet.byte_of.size() || kAlphabet.byte_of[code_point] < 0) return text;
    storage[n++] = static_cast<char>(kAlphabet.byte_of[code_point]);
    at += length;
  }
  return std::string_view(storage).substr(0, n);
}

void check_pre_tokenizer(const formats::ModelFile& file) {
  // Files from before May 2024 do not name the pre-tokenizer; the whole family uses this one.
  const std::string_view pre = file.optional_string(kPre).value_or("qwen2");
  if (pre != "qwen2" && pre != "deepseek-r1-qwen")
    fail(ErrorCode::unsupported, file.path(), ": ", kPre, ": expected \"qwen2\", found ", quoted(pre),
         " (unsupported pre-tokenizer)");
}

// The type of each token. If the file has no types, "<|...|>" is a control token.
std::vector<TokenType> read_types(const formats::ModelFile& file, const std::vector<std::string_view>& tokens,
                                  std::vector<std::string>& warnings) {
  const std::vector<std::int32_t> numbers = file.integers(kTypes);
  if (!numbers.empty() && numbers.size() != tokens.size())
    fail(ErrorCode::bad_format, file.path(), ": ", kTypes, ": expected ", tokens.size(), " entries as in ",
         kTokens, ", found ", numbers.size());
  std::vector<TokenType> types(tokens.size(), TokenType::normal);
  std::vector<std::size_t> corrected;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view text = tokens[i];
    if (!numbers.empty()) types[i] = token_type(file, i, numbers[i]);
    if (types[i] == TokenType::normal && looks_like_control(text)) {
      types[i] = TokenType::control;
      if (!numbers.empty()) corrected.push_back(i);
    }
    // Padding rows of the embedding; some converters type them as user-defined.
    if (types[i] == TokenType::user_defined && text.starts_with("[PAD") && text == cat("[PAD", i, "]"))
      types[i] = TokenType::unused;
  }
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const auto id = optional_token_id(file, key);
    if (!id) continue;
    TokenType& type = types[static_cast<std::size_t>(*id)];
    // Some converters type the EOS token as user-defined.
    if (type == TokenType::user_defined) type = TokenType::control;
  }
  if (!corrected.empty())
    warnings.push_back(cat(corrected.size(),
                           " control tokens have the type of ordinary tokens and are taken as control "
                           "tokens, the first is ",
                           quoted(tokens[corrected.front()])));
  return types;
}

std::vector<MergeRule> read_merges(const formats::ModelFile& file, const TokenIndex& index,
                                   const std::vector<std::string_view>& tokens) {
  const std::vector<std::string_view>* lines = file.strings(kMerges);
  if (lines == nullptr) fail(ErrorCode::not_found, file.path(), ": ", kMerges, " is missing");
  std::vector<MergeRule> merges;
  merges.reserve(lines->size());
  std::string joined;
  Token expected = 0;
  for (std::size_t rank = 0; rank < lines->size(); ++rank) {
    const std::string_view line = (*lines)[rank];
    const std::size_t space = line.find(' ');
    if (space == 0 || space >= line.size() - 1 || line.empty())
      fail(ErrorCode::bad_format, file.path(), ": ", kMerges, "[", rank, "]: expected two tokens, found ",
           quoted(line));
    const std::string_view left = line.substr(0, space), right = line.substr(space + 1);
    // Tokens are mostly in the order of their merges: try the next one before searching.
    const std::string_view next =
        expected < static_cast<Token>(tokens.size()) ? tokens[expected] : std::string_view();
    Token merged = expected;
    if (next.size() != left.size() + right.size() || !next.starts_with(left) || !next.ends_with(right))
      merged = index.find(joined.assign(left).append(right));
    const Token left_token = index.find(left), right_token = index.find(right);
    if (merged < 0 || left_token < 0 || right_token < 0)
      fail(ErrorCode::bad_format, file.path(), ": ", kMerges, "[", rank, "] ", quoted(line), ": no token ",
           quoted(merged < 0       ? std::string_view(joined)
                  : left_token < 0 ? left
                                   : right));
    merges.push_back({left_token, right_token, merged});
    expected = merged + 1;
  }
  return merges;
}

}  // namespace

std::shared_ptr<TokenizerBackend> make_bpe_backend(const formats::ModelFile& file) {
  check_pre_tokenizer(file);
  const std::vector<std::string_view>* tokens = file.strings(kTokens);
  if (tokens == nullptr || tokens->empty())
    fail(ErrorCode::not_found, file.path(), ": ", kTokens, " is missing");
  if (tokens->size() > static_cast<std::size_t>(std::numeric_limits<Token>::max() / 2))
    fail(ErrorCode::bad_format, file.path(), ": ", kTokens, ": ", tokens->size(), " tokens are too many");
  std::vector<std::string> warnings;
  const std::vector<TokenType> types = read_types(file, *tokens, warnings);

  TokenIndex index(*tokens);
  Vocabulary vocabulary;
  std::size_t bytes = 0;
  for (const std::string_view text : *tokens) bytes += text.size();
  vocabulary.reserve(tokens->size(), bytes);
  std::string storage;
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const TokenType type = types[i];
    const bool in_alphabet = type != TokenType::control && type != TokenType::user_defined;
    if (type == TokenType::unused)
      vocabulary.add({}, type);
    else
      vocabulary.add(in_alphabet ? alphabet_bytes((*tokens)[i], storage) : (*tokens)[i], type);
    // No merge may produce a control token: ordinary text cannot become one.
    if (type != TokenType::control && type != TokenType::unused) index.add(static_cast<Token>(i));
  }
  vocabulary.finish();
  read_added_token_flags(file, vocabulary);

  std::array<Token, 256> byte_tokens;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::string text;
    append_utf8(text, kAlphabet.code_point_of[byte]);
    byte_tokens[byte] = index.find(text);
    if (byte_tokens[byte] < 0)
      fail(ErrorCode::bad_format, file.path(), ": ", kTokens, ": no token for the byte ", byte, " (",
           quoted(text), ")");
  }
  const std::vector<MergeRule> merges = read_merges(file, index, *tokens);
  auto backend = std::make_shared<BpeBackend>(std::move(vocabulary), byte_tokens, merges);
  for (std::string& line : warnings) backend->warn(std::move(line));
  return backend;
}

}  // namespace qwen::tokenizer
