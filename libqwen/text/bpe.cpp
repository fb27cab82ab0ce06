#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "base/fail.h"
#include "text/normalize.h"

namespace qwen::text {
namespace {

// Up to this many bytes a word is merged by scanning its ranks for the smallest; above it a heap is faster,
// and needed: a word may be as long as the text.
constexpr std::size_t kShortWord = 96;

}  // namespace

MergeTable::MergeTable(std::size_t tokens, std::size_t merges)
    : token_bits_(static_cast<int>(std::bit_width(tokens))),
      rank_bits_(static_cast<int>(std::bit_width(merges))) {
  if (2 * token_bits_ + rank_bits_ > 64)
    fail(ErrorCode::unsupported, "vocabulary: ", tokens, " tokens and ", merges, " merges are too many");
  rank_mask_ = (std::uint64_t{1} << rank_bits_) - 1;
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(merges + merges / 3, 64));
  entries_.assign(slots, kEmpty);
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  filter_.resize(slots / 8);  // eight bits a slot
  filter_shift_ = shift_ - 3;
  merged_.reserve(merges);
}

void MergeTable::add(Token left, Token right, Token merged) {
  const std::uint64_t key = key_of(left, right), hash = key * kMultiplier;
  std::size_t i = hash >> shift_;
  while (entries_[i] != kEmpty && entries_[i] >> rank_bits_ != key) i = (i + 1) & mask_;
  if (entries_[i] == kEmpty) entries_[i] = key << rank_bits_ | merged_.size();
  const std::size_t bit = hash >> filter_shift_;
  filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  merged_.push_back(merged);
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
  std::uint32_t ranks[kShortWord];  // ranks[i]: of merging tokens[i] and tokens[i + 1]; n - 1 of them
  std::size_t n = word.size();
  for (std::size_t i = 0; i < n; ++i) tokens[i] = byte_tokens_[static_cast<unsigned char>(word[i])];
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
  out.insert(out.end(), tokens, tokens + n);
}

void BpeBackend::encode_long(std::string_view word, std::vector<Token>& out) const {
  struct Symbol {
    Token token;  // -1: merged into the one before it
    std::int64_t previous, next;
  };
  struct Candidate {
    std::uint32_t rank;
    Token left_token, right_token;  // as they were: a candidate is stale once one of them has changed
    std::int64_t left, right;
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
    const std::uint32_t rank = merges_.rank(symbols[left].token, symbols[right].token);
    if (rank != MergeTable::kNone)
      use(Candidate{rank, symbols[left].token, symbols[right].token, left, right});
  };
  for (std::int64_t i = 0; i < n; ++i) candidate(i, [&](const Candidate& c) { initial.push_back(c); });
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(initial));
  const auto push = [&](const Candidate& c) { queue.push(c); };
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    Symbol& left = symbols[c.left];
    if (left.token != c.left_token || left.next != c.right || symbols[c.right].token != c.right_token)
      continue;
    left.token = merges_.merged(c.rank);
    symbols[c.right].token = -1;
    left.next = symbols[c.right].next;
    if (left.next >= 0) symbols[left.next].previous = c.left;
    if (left.previous >= 0) candidate(left.previous, push);
    candidate(c.left, push);
  }
  for (std::int64_t i = 0; i >= 0 && i < n; i = symbols[i].next) out.push_back(symbols[i].token);
}

}  // namespace qwen::text
