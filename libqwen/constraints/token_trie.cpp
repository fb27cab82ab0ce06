#include "constraints/token_trie.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/utf8.h"
#include "constraints/string_lexer.h"

namespace qwen::constraints {
namespace {

// The number of characters if all of `bytes` can be in a JSON string as it is, else -1.
int plain_characters(std::string_view bytes) {
  int count = 0;
  while (!bytes.empty()) {
    const Utf8Step step = decode_utf8(bytes);
    if (step.code_point < 0x20 || step.code_point == '"' || step.code_point == '\\') return -1;
    bytes.remove_prefix(static_cast<std::size_t>(step.length));
    ++count;
  }
  return count;
}

// What `bytes` are inside of a JSON string, from the beginning of a character on.
struct InString {
  enum class Kind { invalid, stays, ends } kind = Kind::stays;
  int characters = 0;  // one that is begun included
};

InString in_string(std::string_view bytes) {
  InString out;
  PartialChar partial = 0;
  for (const char byte : bytes) {
    const LexStep step =
        lex_byte(partial, static_cast<unsigned char>(byte), /*raw=*/false, /*any_spelling=*/false);
    if (step.kind == LexStep::Kind::invalid) return {InString::Kind::invalid};
    if (step.kind == LexStep::Kind::quote) return {InString::Kind::ends};
    partial = step.kind == LexStep::Kind::partial ? step.value : 0;
    out.characters += step.kind == LexStep::Kind::character;
  }
  out.characters += partial != 0;
  return out;
}

// Longer tokens (rows of dashes and the like) are handled byte by byte.
constexpr int kMaxPlain = 24;

}  // namespace

void TokenSet::add(const TokenSet& other) noexcept {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

std::size_t TokenSet::count() const noexcept {
  std::size_t count = 0;
  for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
  return count;
}

void TokenSet::mask(std::span<float> logits) const noexcept {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  for (std::size_t w = 0; w * 64 < logits.size(); ++w) {
    const std::uint64_t word = w < words_.size() ? words_[w] : 0;
    if (word == ~std::uint64_t{0}) continue;
    const std::span<float> part = logits.subspan(w * 64, std::min<std::size_t>(64, logits.size() - w * 64));
    if (word == 0) {
      std::ranges::fill(part, kNever);
      continue;
    }
    for (std::size_t i = 0; i < part.size(); ++i)
      if ((word >> i & 1) == 0) part[i] = kNever;
  }
}

std::vector<Token> TokenSet::tokens() const {
  std::vector<Token> out;
  for (std::size_t i = 0; i < words_.size(); ++i)
    for (std::uint64_t rest = words_[i]; rest != 0; rest &= rest - 1)
      out.push_back(static_cast<Token>(64 * i + static_cast<std::size_t>(std::countr_zero(rest))));
  return out;
}

TokenTrie::TokenTrie(const Tokenizer& tokenizer) {
  const auto size = static_cast<std::size_t>(tokenizer.size());
  std::vector<Token> all, others;
  std::vector<std::pair<int, Token>> plain;
  int longest = 0;
  for (Token token = 0; token < tokenizer.size(); ++token) {
    std::string bytes = tokenizer.token_bytes(token);
    if (tokenizer.is_control(token) || tokenizer.find_added_token(bytes) == token) bytes.clear();
    bytes_ += bytes;
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    if (bytes.empty() || bytes.size() > 0xFFFF) continue;
    all.push_back(token);
    const int characters = plain_characters(bytes);
    if (characters < 0 || characters > kMaxPlain) {
      others.push_back(token);
    } else {
      plain.push_back({characters, token});
      longest = std::max(longest, characters);
    }
  }
  plain_.assign(static_cast<std::size_t>(longest) + 1, TokenSet(size));
  for (const auto& [characters, token] : plain)
    for (std::size_t i = static_cast<std::size_t>(characters); i < plain_.size(); ++i) plain_[i].set(token);
  const auto before = [&](Token a, Token b) {
    const int order = this->bytes(a).compare(this->bytes(b));
    return order != 0 ? order < 0 : a < b;
  };
  std::sort(all.begin(), all.end(), before);
  std::sort(others.begin(), others.end(), before);
  nodes_ = build(all);
  has_all_bytes_ = 256 == std::count_if(nodes_.begin(), nodes_.end(),
                                        [](const Node& node) { return node.depth == 1 && node.token >= 0; });
  other_nodes_ = build(others);
  find_interior(all);
  for (std::size_t i = 1; i < all.size(); ++i) {
    std::size_t first = i;
    while (first > 0 && bytes(all[first - 1]) == bytes(all[i])) --first;
    if (first != i) duplicates_.push_back({all[first], all[i]});
  }
}

std::string_view TokenTrie::bytes(Token token) const noexcept {
  const auto i = static_cast<std::size_t>(token);
  return std::string_view(bytes_).substr(ends_[i], ends_[i + 1] - ends_[i]);
}

void TokenTrie::find_interior(std::span<const Token> sorted) {
  std::vector<Token> ending;
  interior_.assign(kMaxPlain + 1, TokenSet(vocabulary()));
  for (const Token token : sorted) {
    const InString found = in_string(bytes(token));
    if (found.kind == InString::Kind::invalid) continue;
    if (found.kind == InString::Kind::ends || found.characters > kMaxPlain) {
      ending.push_back(token);
    } else {
      for (auto i = static_cast<std::size_t>(found.characters); i < interior_.size(); ++i)
        interior_[i].set(token);
    }
  }
  string_end_nodes_ = build(ending);
}

const TokenSet& TokenTrie::interior(std::uint32_t characters) const noexcept {
  return interior_[std::min<std::size_t>(characters, interior_.size() - 1)];
}

const TokenSet& TokenTrie::plain(std::uint32_t characters) const noexcept {
  return plain_[std::min<std::size_t>(characters, plain_.size() - 1)];
}

std::vector<TokenTrie::Node> TokenTrie::build(std::span<const Token> sorted) {
  std::vector<Node> nodes;
  std::vector<std::uint32_t> path;  // nodes of the bytes before
  std::string_view last;
  const auto close = [&](std::size_t depth) {
    for (; path.size() > depth; path.pop_back())
      nodes[path.back()].end = static_cast<std::uint32_t>(nodes.size());
  };
  for (const Token token : sorted) {
    const std::string_view text = bytes(token);
    const auto common = static_cast<std::size_t>(
        std::mismatch(last.begin(), last.end(), text.begin(), text.end()).first - last.begin());
    if (common == text.size() && !last.empty()) continue;  // a duplicate: sorted behind the same bytes
    close(common);
    for (std::size_t depth = common; depth < text.size(); ++depth) {
      path.push_back(static_cast<std::uint32_t>(nodes.size()));
      nodes.push_back({0, -1, static_cast<std::uint16_t>(depth + 1), static_cast<std::uint8_t>(text[depth])});
    }
    nodes.back().token = token;
    max_depth_ = std::max(max_depth_, text.size());
    last = text;
  }
  close(0);
  return nodes;
}

}  // namespace qwen::constraints
