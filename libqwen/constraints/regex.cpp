#include "constraints/regex.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "constraints/regex_parser.h"

namespace qwen::constraints {
namespace {

// A nondeterministic automaton in Thompson's form.
class Nfa {
 public:
  explicit Nfa(CompileBudget& budget) : budget_(budget) {}

  struct State {
    enum class Kind { split, characters, line_start, line_end, end } kind = Kind::split;
    const std::vector<CodePointRange>* characters = nullptr;
    std::vector<int> next;
  };
  std::vector<State> states;

  int add(State::Kind kind, std::vector<int> next = {}) {
    budget_.spend(15);
    states.push_back({kind, nullptr, std::move(next)});
    return static_cast<int>(states.size()) - 1;
  }

  // The state from which `node` is matched and `next` follows.
  int emit(const RegexNode& node, int next) {
    switch (node.kind) {
      case RegexNode::Kind::characters: {
        const int state = add(State::Kind::characters, {next});
        states.back().characters = &node.characters;
        return state;
      }
      case RegexNode::Kind::line_start: return add(State::Kind::line_start, {next});
      case RegexNode::Kind::line_end: return add(State::Kind::line_end, {next});
      case RegexNode::Kind::sequence:
        for (std::size_t i = node.children.size(); i-- > 0;) next = emit(node.children[i], next);
        return next;
      case RegexNode::Kind::alternatives: {
        std::vector<int> starts;
        for (const RegexNode& child : node.children) starts.push_back(emit(child, next));
        return add(State::Kind::split, std::move(starts));
      }
      case RegexNode::Kind::repeat: return repeat(node, next);
    }
    return next;
  }

 private:
  int repeat(const RegexNode& node, int next) {
    const RegexNode& child = node.children.front();
    if (node.max == kUnlimited) {
      const int loop = add(State::Kind::split);
      const int body = emit(child, loop);
      states[static_cast<std::size_t>(loop)].next = {body, next};
      next = loop;
    } else {
      const int end = next;
      for (std::uint32_t i = node.min; i < node.max; ++i)
        next = add(State::Kind::split, {emit(child, next), end});
    }
    for (std::uint32_t i = 0; i < node.min; ++i) next = emit(child, next);
    return next;
  }

  CompileBudget& budget_;
};

using States = std::vector<int>;  // sorted

class Determinizer {
 public:
  Determinizer(const Nfa& nfa, int start, int end, bool any_tail, CompileBudget& budget)
      : nfa_(nfa), end_(end), any_tail_(any_tail), budget_(budget) {
    std::vector<std::uint32_t> borders{0, kMaxCodePoint + 1};
    for (const auto& state : nfa.states) {
      if (state.characters == nullptr) continue;
      budget_.spend(state.characters->size());
      for (const CodePointRange& range : *state.characters) {
        borders.push_back(range.low);
        borders.push_back(range.high + 1);
      }
    }
    std::sort(borders.begin(), borders.end());
    borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
    borders_ = std::move(borders);
    number(closure({start}, true, false));
  }

  CharDfa build() {
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      const States set = *sets_[i];
      dfa_.states[i].accepts = has_end(closure(set, i == 0, true));
      if (any_tail_ && has_end(set)) {  // the match has been found: anything may follow
        dfa_.states[i].ranges = {{0, kMaxCodePoint, static_cast<std::uint32_t>(i)}};
        continue;
      }
      connect(i, set);
    }
    return trim(std::move(dfa_));
  }

 private:
  bool has_end(const States& set) const { return std::binary_search(set.begin(), set.end(), end_); }

  // All states that are reached without a character.
  States closure(const States& from, bool at_start, bool at_end) {
    seen_.assign(nfa_.states.size(), false);
    States work = from, out;
    budget_.spend(1 + nfa_.states.size() / 8);
    while (!work.empty()) {
      const int i = work.back();
      work.pop_back();
      if (seen_[static_cast<std::size_t>(i)]) continue;
      seen_[static_cast<std::size_t>(i)] = true;
      out.push_back(i);
      budget_.spend(1);
      const Nfa::State& state = nfa_.states[static_cast<std::size_t>(i)];
      const bool passes = state.kind == Nfa::State::Kind::split ||
                          (state.kind == Nfa::State::Kind::line_start && at_start) ||
                          (state.kind == Nfa::State::Kind::line_end && at_end);
      if (passes) work.insert(work.end(), state.next.begin(), state.next.end());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  std::uint32_t number(States set) {
    if (any_tail_ && has_end(set)) set = {end_};  // all of these accept everything
    const auto [it, added] = numbers_.try_emplace(std::move(set), static_cast<std::uint32_t>(sets_.size()));
    if (added) {
      budget_.spend(20 + it->first.size());
      sets_.push_back(&it->first);
      dfa_.states.emplace_back();
    }
    return it->second;
  }

  void connect(std::size_t i, const States& set) {
    std::vector<CharDfa::Range> ranges;
    States last;
    std::optional<std::uint32_t> last_number;
    for (std::size_t k = 0; k + 1 < borders_.size(); ++k) {
      States next;
      for (const int s : set) {
        const Nfa::State& state = nfa_.states[static_cast<std::size_t>(s)];
        if (state.characters == nullptr) continue;
        budget_.spend(1);
        const auto range =
            std::lower_bound(state.characters->begin(), state.characters->end(), borders_[k],
                             [](const CodePointRange& r, std::uint32_t c) { return r.high < c; });
        if (range != state.characters->end() && range->low <= borders_[k]) next.push_back(state.next.front());
      }
      if (next.empty()) continue;
      if (!last_number || next != last) {
        last_number = number(closure(next, false, false));
        last = std::move(next);
      }
      if (!ranges.empty() && ranges.back().next == *last_number && ranges.back().high + 1 == borders_[k]) {
        ranges.back().high = borders_[k + 1] - 1;
      } else {
        ranges.push_back({borders_[k], borders_[k + 1] - 1, *last_number});
      }
    }
    dfa_.states[i].ranges = std::move(ranges);
  }

  const Nfa& nfa_;
  const int end_;
  const bool any_tail_;
  CompileBudget& budget_;
  std::vector<std::uint32_t> borders_;  // the characters between two of them behave alike
  std::vector<bool> seen_;
  std::map<States, std::uint32_t> numbers_;
  std::vector<const States*> sets_;  // by number
  CharDfa dfa_;
};

}  // namespace

CharDfa compile_regex(std::string_view pattern, RegexMatch match, CompileBudget& budget) {
  const RegexNode root = parse_regex(pattern);
  Nfa nfa(budget);
  const int end = nfa.add(Nfa::State::Kind::end);
  int start = nfa.emit(root, end);
  static const std::vector<CodePointRange> kAny{{0, kMaxCodePoint}};
  if (match == RegexMatch::search) {  // anything may come before
    const int loop = nfa.add(Nfa::State::Kind::split);
    const int any = nfa.add(Nfa::State::Kind::characters, {loop});
    nfa.states.back().characters = &kAny;
    nfa.states[static_cast<std::size_t>(loop)].next = {any, start};
    start = loop;
  }
  return Determinizer(nfa, start, end, match == RegexMatch::search, budget).build();
}

}  // namespace qwen::constraints
