#include "tokenizer/bpe.h"

#include <algorithm>
#include <functional>

#include "tokenizer/normalize.h"

namespace qwen::tokenizer {
namespace {

// Longer words are merged with a heap: a word may be as long as the text.
constexpr std::size_t kShortWord = 96;
// Longer words are cut: positions have 32 bits.
constexpr std::size_t kLongestWord = std::size_t{1} << 30;

}  // namespace

BpeBackend::BpeBackend(Vocabulary vocabulary, const std::array<Token, 256>& byte_tokens,
                       std::span<const MergeRule> rules)
    : TokenizerBackend(std::move(vocabulary)),
      byte_tokens_(byte_tokens),
      merges_(static_cast<std::size_t>(this->vocabulary().size()), rules),
      cjk_(this->vocabulary(), byte_tokens, rules, merges_) {}

void BpeBackend::encode_text(std::string_view text, std::vector<Token>& out) const {
  std::string storage;
  Splitter::Cursor words(splitter_, to_nfc(text, storage));
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) encode_word(word, out);
}

void BpeBackend::encode_word(std::string_view word, std::vector<Token>& out) const {
  for (; word.size() > kLongestWord; word.remove_prefix(kLongestWord))
    encode_word(word.substr(0, kLongestWord), out);
  Token few[kShortWord];
  std::vector<Token> many;
  if (word.size() > kShortWord) many.resize(word.size());
  Token* tokens = many.empty() ? few : many.data();
  const std::size_t n = initial_tokens(word, tokens);
  if (n <= kShortWord)
    out.insert(out.end(), tokens, tokens + merge_short(tokens, n));
  else
    merge_long({tokens, n}, out);
}

std::size_t BpeBackend::initial_tokens(std::string_view word, Token* tokens) const noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(word[i]); };
  std::size_t n = 0;
  bool joined = false;  // a merge may cross the boundary before the character at i
  for (std::size_t i = 0; i < word.size();) {
    const bool three = (byte(i) & 0xF0) == 0xE0 && i + 2 < word.size();
    const std::size_t end = i + (three ? 3 : 1);
    bool joins = false;
    if (three || (end < word.size() && (byte(end) & 0xF0) == 0xE0))
      joins = end < word.size() &&
              cjk_.merges_across(byte(end - 1), byte(end), end + 1 < word.size() ? byte(end + 1) : 0);
    const Token whole = three && !joined && !joins ? cjk_.token(byte(i), byte(i + 1), byte(i + 2)) : -1;
    if (whole >= 0) {
      tokens[n++] = whole;
      i = end;
    } else {
      for (; i < end; ++i) tokens[n++] = byte_tokens_[byte(i)];
    }
    joined = joins;
  }
  return n;
}

std::size_t BpeBackend::merge_short(Token* tokens, std::size_t n) const noexcept {
  std::uint32_t ranks[kShortWord];  // ranks[i]: of merging tokens[i] and tokens[i + 1]; n - 1 of them
  for (std::size_t i = 0; i + 1 < n; ++i) ranks[i] = merges_.rank(tokens[i], tokens[i + 1]);
  while (n > 1) {
    const std::uint32_t* best = std::min_element(ranks, ranks + n - 1);
    if (*best == MergeTable::kNone) break;
    const auto at = static_cast<std::size_t>(best - ranks);
    tokens[at] = merges_.merged(*best);
    --n;
    std::copy(tokens + at + 2, tokens + n + 1, tokens + at + 1);
    std::copy(ranks + at + 1, ranks + n, ranks + at);
    if (at + 1 < n) ranks[at] = merges_.rank(tokens[at], tokens[at + 1]);
    if (at > 0) ranks[at - 1] = merges_.rank(tokens[at - 1], tokens[at]);
  }
  return n;
}

void BpeBackend::merge_long(std::span<const Token> tokens, std::vector<Token>& out) const {
  constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();
  struct Symbol {
    Token token;
    std::uint32_t rank;  // of the merge with the next one
    std::uint32_t previous, next;
  };
  const auto n = static_cast<std::uint32_t>(tokens.size());
  std::vector<Symbol> symbols(n);
  for (std::uint32_t i = 0; i < n; ++i)
    symbols[i] = {tokens[i], MergeTable::kNone, i - 1, i + 1 < n ? i + 1 : kEnd};
  symbols[0].previous = kEnd;
  // Candidate merges: rank, then position. An entry is stale if its symbol has another rank now; a symbol never
  // gets the same rank twice, because its token only grows.
  std::vector<std::uint64_t> queue;
  const auto rank_next = [&](std::uint32_t i) {
    Symbol& symbol = symbols[i];
    symbol.rank =
        symbol.next == kEnd ? MergeTable::kNone : merges_.rank(symbol.token, symbols[symbol.next].token);
    if (symbol.rank != MergeTable::kNone) queue.push_back(std::uint64_t{symbol.rank} << 32 | i);
    return symbol.rank != MergeTable::kNone;
  };
  for (std::uint32_t i = 0; i < n; ++i) rank_next(i);
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const auto rank = static_cast<std::uint32_t>(queue.back() >> 32),
               i = static_cast<std::uint32_t>(queue.back());
    queue.pop_back();
    Symbol& symbol = symbols[i];
    if (symbol.rank != rank) continue;
    symbol.token = merges_.merged(rank);
    symbols[symbol.next].rank = MergeTable::kNone;
    symbol.next = symbols[symbol.next].next;
    if (symbol.next != kEnd) symbols[symbol.next].previous = i;
    if (rank_next(i)) std::push_heap(queue.begin(), queue.end(), std::greater<>());
    if (symbol.previous != kEnd && rank_next(symbol.previous))
      std::push_heap(queue.begin(), queue.end(), std::greater<>());
  }
  for (std::uint32_t i = 0; i != kEnd; i = symbols[i].next) out.push_back(symbols[i].token);
}

}  // namespace qwen::tokenizer
