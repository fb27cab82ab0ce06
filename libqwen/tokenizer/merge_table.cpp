#include "tokenizer/merge_table.h"

#include <algorithm>
#include <bit>

#include "base/fail.h"

namespace qwen::tokenizer {

MergeTable::MergeTable(std::size_t tokens, std::span<const MergeRule> rules)
    : token_bits_(static_cast<int>(std::bit_width(tokens))),
      rank_bits_(static_cast<int>(std::bit_width(rules.size()))) {
  if (2 * token_bits_ + rank_bits_ > 64)
    fail(ErrorCode::unsupported, "vocabulary: ", tokens, " tokens and ", rules.size(),
         " merges are too many");
  rank_mask_ = (std::uint64_t{1} << rank_bits_) - 1;
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(rules.size() + rules.size() / 3, 64));
  entries_.assign(slots, kEmpty);
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  filter_.resize(slots / 8);  // eight bits a slot
  filter_shift_ = shift_ - 3;
  merged_.reserve(rules.size());
  for (const MergeRule& rule : rules) {
    const std::uint64_t key = key_of(rule.left, rule.right), hash = key * kMultiplier;
    std::size_t i = hash >> shift_;
    while (entries_[i] != kEmpty && entries_[i] >> rank_bits_ != key) i = (i + 1) & mask_;
    if (entries_[i] == kEmpty) entries_[i] = key << rank_bits_ | merged_.size();
    const std::size_t bit = hash >> filter_shift_;
    filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
    merged_.push_back(rule.merged);
  }
}

}  // namespace qwen::tokenizer
