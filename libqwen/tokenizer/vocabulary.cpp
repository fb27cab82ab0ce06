#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <limits>

#include "base/fail.h"
#include "base/utf8.h"
#include "formats/model_file.h"
#include "tokenizer/normalize.h"

namespace qwen::tokenizer {
namespace {

// The last character of `text` (not empty); an invalid byte counts as one.
Utf8Step last_character(std::string_view text) noexcept {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
    --begin;
  const Utf8Step step = decode_utf8(text.substr(begin));
  if (step.code_point >= 0 && begin + static_cast<std::size_t>(step.length) == text.size()) return step;
  return {-1, 1};
}

}  // namespace

void Vocabulary::reserve(std::size_t tokens, std::size_t bytes) {
  bytes_.reserve(bytes);
  ends_.reserve(tokens + 1);
  types_.reserve(tokens);
}

void Vocabulary::add(std::string_view bytes, TokenType type) {
  if (bytes_.size() + bytes.size() > std::numeric_limits<std::uint32_t>::max() ||
      types_.size() >= static_cast<std::size_t>(std::numeric_limits<Token>::max()))
    fail(ErrorCode::bad_format, "vocabulary: more than 4 GiB of text or 2^31 tokens");
  bytes_ += bytes;
  ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  types_.push_back(type);
}

void Vocabulary::finish() {
  for (Token token = 0; token < size(); ++token) {
    const bool added = type(token) == TokenType::control || type(token) == TokenType::user_defined;
    if (added && !bytes(token).empty()) added_.push_back(token);
  }
  std::stable_sort(added_.begin(), added_.end(), [&](Token a, Token b) { return bytes(a) < bytes(b); });
  const auto same = [&](Token a, Token b) { return bytes(a) == bytes(b); };
  added_.erase(std::unique(added_.begin(), added_.end(), same), added_.end());
  for (Token token : added_) added_starts_[static_cast<unsigned char>(bytes(token)[0])] = true;
}

std::optional<Token> Vocabulary::find_added(std::string_view text) const noexcept {
  const auto less = [&](Token token, std::string_view key) { return bytes(token) < key; };
  const auto it = std::lower_bound(added_.begin(), added_.end(), text, less);
  if (it == added_.end() || bytes(*it) != text) return std::nullopt;
  return *it;
}

// The longest added token that starts at `at`.
std::optional<Vocabulary::Match> Vocabulary::match_at(std::string_view text, std::size_t at) const noexcept {
  // [first, last) are the tokens that begin with text[at, at + length): narrowed byte by byte.
  auto first = added_.begin(), last = added_.end();
  std::optional<Match> longest;
  for (std::size_t length = 0; at + length < text.size(); ++length) {
    const auto byte_at = [&](Token token) {
      const std::string_view own = bytes(token);
      return length < own.size() ? static_cast<unsigned char>(own[length]) : -1;
    };
    const int want = static_cast<unsigned char>(text[at + length]);
    first = std::lower_bound(first, last, want, [&](Token token, int key) { return byte_at(token) < key; });
    last = std::upper_bound(first, last, want, [&](int key, Token token) { return key < byte_at(token); });
    if (first == last) break;
    // The shortest comes first.
    if (bytes(*first).size() == length + 1) longest = Match{*first, at, length + 1};
  }
  return longest;
}

// False if the token must be a word of its own and is not. Widens the match by the white space to be stripped, but
// not before `from`.
bool Vocabulary::apply_flags(std::string_view text, std::size_t from, Match& match) const noexcept {
  const auto found =
      std::find_if(flags_.begin(), flags_.end(), [&](const auto& pair) { return pair.first == match.token; });
  if (found == flags_.end()) return true;
  std::size_t begin = match.position, end = match.position + match.length;
  if (found->second & formats::kSingleWord) {
    if (begin > 0 && is_word(last_character(text.substr(0, begin)).code_point)) return false;
    if (end < text.size() && is_word(decode_utf8(text.substr(end)).code_point)) return false;
  }
  if (found->second & formats::kStripLeft) {
    while (begin > from) {
      const Utf8Step step = last_character(text.substr(from, begin - from));
      if (!is_white_space(step.code_point)) break;
      begin -= static_cast<std::size_t>(step.length);
    }
  }
  if (found->second & formats::kStripRight) {
    while (end < text.size()) {
      const Utf8Step step = decode_utf8(text.substr(end));
      if (!is_white_space(step.code_point)) break;
      end += static_cast<std::size_t>(step.length);
    }
  }
  match.position = begin;
  match.length = end - begin;
  return true;
}

std::optional<Vocabulary::Match> Vocabulary::next_added(std::string_view text,
                                                        std::size_t from) const noexcept {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!added_starts_[static_cast<unsigned char>(text[at])]) continue;
    auto match = match_at(text, at);
    if (!match) continue;
    if (apply_flags(text, from, *match)) return match;
    at += match->length - 1;  // the reference goes on after a rejected token
  }
  return std::nullopt;
}

}  // namespace qwen::tokenizer
