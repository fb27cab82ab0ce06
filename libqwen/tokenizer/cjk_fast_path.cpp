#include "tokenizer/cjk_fast_path.h"

#include <algorithm>

#include "base/utf8.h"

namespace qwen::tokenizer {
namespace {

// Whether no rule uses a token before the rule that produces it, and every merged token has the bytes of its
// parts (added tokens may not).
bool in_order(const Vocabulary& vocabulary, std::span<const MergeRule> rules) {
  std::vector<char> used(static_cast<std::size_t>(vocabulary.size()));
  for (const MergeRule& rule : rules) {
    const TokenType type = vocabulary.type(rule.merged);
    if (used[static_cast<std::size_t>(rule.merged)] || (type != TokenType::normal && type != TokenType::byte))
      return false;
    used[static_cast<std::size_t>(rule.left)] = used[static_cast<std::size_t>(rule.right)] = 1;
  }
  return true;
}

}  // namespace

CjkFastPath::CjkFastPath(const Vocabulary& vocabulary, const std::array<Token, 256>& byte_tokens,
                         std::span<const MergeRule> rules, const MergeTable& merges) {
  crossing_.assign(256 * 256, 0);
  if (!in_order(vocabulary, rules)) return;
  find_crossing_merges(vocabulary, rules);
  tokens_.assign(0x10000, -1);
  for (const MergeRule& rule : rules) {
    const std::string_view bytes = vocabulary.bytes(rule.merged);
    if (bytes.size() != 3) continue;
    const Utf8Step step = decode_utf8(bytes);
    if (step.code_point < 0 || step.length != 3)
      continue;  // several characters, or the first three bytes of a longer one
    const auto byte = [&](std::size_t i) { return byte_tokens[static_cast<unsigned char>(bytes[i])]; };
    const std::uint32_t first = merges.rank(byte(0), byte(1)), second = merges.rank(byte(1), byte(2));
    if (std::min(first, second) == MergeTable::kNone) continue;
    const std::uint32_t last = first < second ? merges.rank(merges.merged(first), byte(2))
                                              : merges.rank(byte(0), merges.merged(second));
    if (last == MergeTable::kNone) continue;
    tokens_[static_cast<std::size_t>(step.code_point)] = merges.merged(last);
  }
}

void CjkFastPath::find_crossing_merges(const Vocabulary& vocabulary, std::span<const MergeRule> rules) {
  for (const MergeRule& rule : rules) {
    const std::string_view left = vocabulary.bytes(rule.left), right = vocabulary.bytes(rule.right);
    if (left.empty() || right.empty() || is_utf8_continuation(right[0])) continue;  // within a character
    const bool left_is_part = std::all_of(left.begin(), left.end(), is_utf8_continuation);
    const bool right_is_part = right.size() < 4 && decode_utf8(right).incomplete;
    if (!left_is_part && !right_is_part) continue;
    const auto before = static_cast<unsigned char>(left.back()), after = static_cast<unsigned char>(right[0]);
    const bool any = right.size() == 1 || after < 0x80;  // for every `next`
    crossing_[before * 256u + after] |=
        any ? ~std::uint64_t{0} : std::uint64_t{1} << (static_cast<unsigned char>(right[1]) & 0x3F);
  }
}

}  // namespace qwen::tokenizer
