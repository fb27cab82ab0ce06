#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "text/normalize.h"

namespace qwen::text {
namespace {

// Up to this many bytes a word is merged by scanning its ranks for the smallest; above it a heap is faster, and
// needed: a word may be as long as the text.
constexpr std::size_t kShortWord = 96;

}  // namespace

MergeTable::MergeTable(std::size_t merges) {
  // At most half full, so that a search that fails (most do) is short.
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(2 * merges, 16));
  entries_.resize(slots);
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
}

void MergeTable::add(Token left, Token right, Merge merge) noexcept {
  const std::uint64_t key = key_of(left, right);
  std::size_t i = slot_of(key);
  while (entries_[i].key != kEmpty && entries_[i].key != key) i = (i + 1) & mask_;
  if (entries_[i].key == kEmpty) entries_[i] = {key, merge};
}

BpeBackend::BpeBackend(Vocabulary vocabulary, const std::array<Token, 256>& byte_tokens, MergeTable merges)
    : TokenizerBackend(std::move(vocabulary)), byte_tokens_(byte_tokens), merges_(std::move(merges)) {}

void BpeBackend::encode_text(std::string_view text, std::vector<Token>& out) const {
  std::string storage;
  Splitter::Cursor words(splitter_, to_nfc(text, storage));
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) encode_word(word, out);
}

void BpeBackend::encode_word(std::string_view word, std::vector<Token>& out) const {
  if (word.size() <= kShortWord)
    encode_short(word, out);
  else
    encode_long(word, out);
}

void BpeBackend::encode_short(std::string_view word, std::vector<Token>& out) const {
  Token tokens[kShortWord];
  // ranks[i] and merged[i]: the merge of tokens[i] and tokens[i + 1]; none for the last token.
  std::uint32_t ranks[kShortWord];
  Token merged[kShortWord];
  std::size_t n = word.size();
  const auto look_up = [&](std::size_t i) {
    const Merge merge = merges_.find(tokens[i], tokens[i + 1]);
    ranks[i] = merge.rank;
    merged[i] = merge.merged;
  };
  for (std::size_t i = 0; i < n; ++i) tokens[i] = byte_tokens_[static_cast<unsigned char>(word[i])];
  for (std::size_t i = 0; i + 1 < n; ++i) look_up(i);
  while (n > 1) {
    const std::uint32_t* best = std::min_element(ranks, ranks + n - 1);
    if (*best == Merge::kNone) break;
    const auto at = static_cast<std::size_t>(best - ranks);
    tokens[at] = merged[at];
    --n;
    std::copy(tokens + at + 2, tokens + n + 1, tokens + at + 1);
    std::copy(ranks + at + 1, ranks + n, ranks + at);
    std::copy(merged + at + 1, merged + n, merged + at);
    if (at + 1 < n) look_up(at);
    if (at > 0) look_up(at - 1);
  }
  out.insert(out.end(), tokens, tokens + n);
}

void BpeBackend::encode_long(std::string_view word, std::vector<Token>& out) const {
  struct Symbol {
    Token token;  // -1: merged into the one before it
    std::int64_t previous, next;
  };
  struct Candidate {
    std::uint32_t rank;
    Token merged;
    std::int64_t left, right;
    Token left_token, right_token;  // as they were: a candidate is stale once one of them has changed
    // The queue's top is its largest element: the lowest rank, then the leftmost.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  const auto n = static_cast<std::int64_t>(word.size());
  std::vector<Symbol> symbols(word.size());
  for (std::int64_t i = 0; i < n; ++i)
    symbols[i] = {byte_tokens_[static_cast<unsigned char>(word[i])], i - 1, i + 1 < n ? i + 1 : -1};

  std::vector<Candidate> initial;
  const auto candidate = [&](std::int64_t left, auto&& use) {
    const std::int64_t right = symbols[left].next;
    if (right < 0) return;
    const Merge merge = merges_.find(symbols[left].token, symbols[right].token);
    if (merge.rank != Merge::kNone)
      use(Candidate{merge.rank, merge.merged, left, right, symbols[left].token, symbols[right].token});
  };
  for (std::int64_t i = 0; i < n; ++i) candidate(i, [&](const Candidate& c) { initial.push_back(c); });
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(initial));
  const auto push = [&](const Candidate& c) { queue.push(c); };
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    Symbol& left = symbols[c.left];
    if (left.token != c.left_token || left.next != c.right || symbols[c.right].token != c.right_token) continue;
    left.token = c.merged;
    symbols[c.right].token = -1;
    left.next = symbols[c.right].next;
    if (left.next >= 0) symbols[left.next].previous = c.left;
    if (left.previous >= 0) candidate(left.previous, push);
    candidate(c.left, push);
  }
  for (std::int64_t i = 0; i >= 0 && i < n; i = symbols[i].next) out.push_back(symbols[i].token);
}

}  // namespace qwen::text
