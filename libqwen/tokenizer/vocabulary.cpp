#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <limits>

#include "base/fail.h"

namespace qwen::tokenizer {

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

std::optional<Vocabulary::Match> Vocabulary::next_added(std::string_view text,
                                                        std::size_t from) const noexcept {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!added_starts_[static_cast<unsigned char>(text[at])]) continue;
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
    if (longest) return longest;
  }
  return std::nullopt;
}

}  // namespace qwen::tokenizer
