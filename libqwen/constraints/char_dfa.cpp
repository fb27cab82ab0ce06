#include "constraints/char_dfa.h"

#include <algorithm>
#include <map>

#include "base/utf8.h"

namespace qwen::constraints {
namespace {

constexpr std::int64_t kNoState = -1;

// Appends a range, joined with the one before if they touch and lead to the same state.
void add_range(std::vector<CharDfa::Range>& ranges, std::uint32_t low, std::uint32_t high,
               std::uint32_t next) {
  if (!ranges.empty() && ranges.back().next == next && ranges.back().high + 1 == low) {
    ranges.back().high = high;
  } else {
    ranges.push_back({low, high, next});
  }
}

// The product automaton. With `subtracting`, b may fail at any point and accepts then nothing.
class Product {
 public:
  Product(const CharDfa& a, const CharDfa& b, bool subtracting, CompileBudget& budget)
      : a_(a), b_(b), subtracting_(subtracting), budget_(budget) {}

  CharDfa build() {
    if (a_.empty() || (b_.empty() && !subtracting_)) return {};
    number(0, b_.empty() ? kNoState : 0);
    for (std::size_t i = 0; i < pairs_.size(); ++i) connect(i);
    return trim(std::move(out_));
  }

 private:
  std::uint32_t number(std::uint32_t a, std::int64_t b) {
    const auto [it, added] = numbers_.try_emplace({a, b}, static_cast<std::uint32_t>(pairs_.size()));
    if (added) {
      budget_.spend(20);
      pairs_.push_back({a, b});
      const bool in_b = b != kNoState && b_.states[static_cast<std::size_t>(b)].accepts;
      out_.states.push_back({{}, a_.states[a].accepts && in_b != subtracting_});
    }
    return it->second;
  }

  void connect(std::size_t i) {
    const auto [a, b] = pairs_[i];
    std::vector<CharDfa::Range> ranges;
    static const std::vector<CharDfa::Range> kNone;
    const auto& others = b == kNoState ? kNone : b_.states[static_cast<std::size_t>(b)].ranges;
    std::size_t j = 0;
    for (const CharDfa::Range& range : a_.states[a].ranges) {
      budget_.spend(4);
      std::uint32_t low = range.low;
      while (j < others.size() && others[j].high < low) ++j;
      for (std::size_t k = j; low <= range.high; ++k) {
        budget_.spend(2);
        const bool overlaps = k < others.size() && others[k].low <= range.high;
        const std::uint32_t gap_end = overlaps ? others[k].low : range.high + 1;
        if (subtracting_ && low < gap_end) add_range(ranges, low, gap_end - 1, number(range.next, kNoState));
        if (!overlaps) break;
        low = std::max(low, others[k].low);
        const std::uint32_t high = std::min(range.high, others[k].high);
        add_range(ranges, low, high, number(range.next, others[k].next));
        low = high + 1;
      }
    }
    out_.states[i].ranges = std::move(ranges);
  }

  const CharDfa &a_, &b_;
  const bool subtracting_;
  CompileBudget& budget_;
  CharDfa out_;
  std::vector<std::pair<std::uint32_t, std::int64_t>> pairs_;
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> numbers_;
};

}  // namespace

std::int64_t CharDfa::step(std::uint32_t state, std::uint32_t c) const noexcept {
  const auto& ranges = states[state].ranges;
  const auto it =
      std::lower_bound(ranges.begin(), ranges.end(), c,
                       [](const Range& range, std::uint32_t value) { return range.high < value; });
  return it != ranges.end() && it->low <= c ? static_cast<std::int64_t>(it->next) : kNoState;
}

bool CharDfa::accepts(std::string_view utf8) const noexcept {
  if (empty()) return false;
  std::int64_t state = 0;
  while (!utf8.empty()) {
    const Utf8Step c = decode_utf8(utf8);
    if (c.code_point < 0) return false;
    state = step(static_cast<std::uint32_t>(state), static_cast<std::uint32_t>(c.code_point));
    if (state == kNoState) return false;
    utf8.remove_prefix(static_cast<std::size_t>(c.length));
  }
  return states[static_cast<std::size_t>(state)].accepts;
}

std::vector<std::uint32_t> code_points(std::string_view utf8) {
  std::vector<std::uint32_t> out;
  while (!utf8.empty()) {
    const Utf8Step c = decode_utf8(utf8);
    if (c.code_point < 0) fail(ErrorCode::invalid_argument, "expected valid UTF-8, found ", quoted(utf8, 20));
    out.push_back(static_cast<std::uint32_t>(c.code_point));
    utf8.remove_prefix(static_cast<std::size_t>(c.length));
  }
  return out;
}

CharDfa any_string() {
  CharDfa dfa;
  dfa.states.push_back({{{0, kMaxCodePoint, 0}}, true});
  return dfa;
}

CharDfa literal_strings(std::span<const std::string> strings, CompileBudget& budget) {
  if (strings.empty()) return {};
  std::vector<std::map<std::uint32_t, std::uint32_t>> children(1);
  std::vector<bool> accepts(1, false);
  for (const std::string& string : strings) {
    std::uint32_t state = 0;
    for (const std::uint32_t c : code_points(string)) {
      const auto [it, added] = children[state].try_emplace(c, static_cast<std::uint32_t>(children.size()));
      state = it->second;
      if (!added) continue;
      budget.spend(20);
      children.emplace_back();
      accepts.push_back(false);
    }
    accepts[state] = true;
  }
  CharDfa dfa;
  dfa.states.resize(children.size());
  for (std::size_t i = 0; i < children.size(); ++i) {
    for (const auto& [c, next] : children[i]) dfa.states[i].ranges.push_back({c, c, next});
    dfa.states[i].accepts = accepts[i];
  }
  return dfa;
}

CharDfa string_lengths(std::uint32_t low, std::uint32_t high, CompileBudget& budget) {
  if (low > high) return {};
  const std::size_t count = std::size_t{high == kUnlimited ? low : high} + 1;
  budget.spend(count > 1'000'000 ? count : 10 * count);
  CharDfa dfa;
  dfa.states.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    dfa.states[i].accepts = i >= low;
    if (i + 1 < count) {
      dfa.states[i].ranges = {{0, kMaxCodePoint, static_cast<std::uint32_t>(i + 1)}};
    } else if (high == kUnlimited) {
      dfa.states[i].ranges = {{0, kMaxCodePoint, static_cast<std::uint32_t>(i)}};
    }
  }
  return dfa;
}

CharDfa intersect(const CharDfa& a, const CharDfa& b, CompileBudget& budget) {
  return Product(a, b, false, budget).build();
}

CharDfa subtract(const CharDfa& a, const CharDfa& b, CompileBudget& budget) {
  return Product(a, b, true, budget).build();
}

CharDfa trim(CharDfa dfa) {
  const std::size_t n = dfa.states.size();
  if (n == 0) return dfa;
  std::vector<std::vector<std::uint32_t>> before(n);
  for (std::size_t i = 0; i < n; ++i)
    for (const auto& range : dfa.states[i].ranges)
      before[range.next].push_back(static_cast<std::uint32_t>(i));
  std::vector<bool> live(n, false);
  std::vector<std::uint32_t> work;
  for (std::size_t i = 0; i < n; ++i)
    if (dfa.states[i].accepts) live[i] = true, work.push_back(static_cast<std::uint32_t>(i));
  while (!work.empty()) {
    const std::uint32_t state = work.back();
    work.pop_back();
    for (const std::uint32_t i : before[state])
      if (!live[i]) live[i] = true, work.push_back(i);
  }
  if (!live[0]) return {};
  // Renumbers in the order in which the live states are reached.
  std::vector<std::uint32_t> numbers(n, kUnlimited), order{0};
  numbers[0] = 0;
  CharDfa out;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const CharDfa::State& from = dfa.states[order[i]];
    CharDfa::State state{{}, from.accepts};
    for (const auto& range : from.ranges) {
      if (!live[range.next]) continue;
      if (numbers[range.next] == kUnlimited) {
        numbers[range.next] = static_cast<std::uint32_t>(order.size());
        order.push_back(range.next);
      }
      add_range(state.ranges, range.low, range.high, numbers[range.next]);
    }
    out.states.push_back(std::move(state));
  }
  return out;
}

}  // namespace qwen::constraints
