#include "constraints/constraint_state.h"

#include <algorithm>

#include "base/fail.h"

namespace qwen::constraints {
namespace {

constexpr std::size_t kMaxConfigs = 20'000;  // before the automaton forgets old ones
constexpr std::size_t kMaxMasks = 256;
constexpr std::size_t kRecentTokens = 16;
constexpr std::size_t kMaxForced = 512;  // bytes at a time
constexpr Cost kCostOfPartialChar = 5;   // bytes at most that complete a character or an escape: \\u000X

// How much of `text` is split in the same way whatever follows it: all but its last word. The tokenizer's words are
// letters with at most one other character before them, digits, or other characters with at most one space before
// them; where a word ends is decided by the character after it.
std::size_t settled_length(std::string_view text) {
  enum class Class { letter, digit, other };
  const auto class_of = [&](std::size_t i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Class::letter;
    return c >= '0' && c <= '9' ? Class::digit : Class::other;
  };
  if (text.empty()) return 0;
  std::size_t start = text.size() - 1;
  const Class last = class_of(start);
  while (start > 0 && class_of(start - 1) == last) --start;
  if (last == Class::other) {
    // A space begins a new word unless another space follows.
    const std::size_t space = text.rfind(' ');
    return space != std::string_view::npos && space > start && text[space - 1] != ' ' ? space : start;
  }
  return start > 0 && class_of(start - 1) == Class::other ? start - 1 : start;
}

}  // namespace

ConstraintState::ConstraintState(const Constraint& constraint, std::shared_ptr<const TokenTrie> trie,
                                 Tokenizer tokenizer, std::vector<Token> end_tokens, int max_tokens)
    : trie_(std::move(trie)),
      tokenizer_(std::move(tokenizer)),
      end_tokens_(std::move(end_tokens)),
      automaton_(constraint.program(), Spelling::generated),
      config_(automaton_.start()),
      left_(max_tokens),
      path_(trie_->max_depth() + 1) {
  for (const std::string& text : constraint.program()->added_tokens)
    if (const auto token = tokenizer_.find_added_token(text)) added_tokens_.push_back({*token, text});
  if (!trie_->has_all_bytes())
    fail(ErrorCode::unsupported, "constraints: the vocabulary has no tokens for single bytes");
  if (config_ < 0) fail(ErrorCode::invalid_argument, "constraint: no text satisfies it");
  if (fits(config_, left_)) {
    forget();
    return;
  }
  fail(ErrorCode::invalid_argument, "constraint: the shortest text needs ", shortest_ending(),
       " tokens, expected at most max_new_tokens (", max_tokens, ")");
}

std::string_view ConstraintState::bytes_of(Token token) const noexcept {
  for (const auto& [added, text] : added_tokens_)
    if (added == token) return text;
  if (token < 0 || static_cast<std::size_t>(token) >= trie_->vocabulary()) return {};
  return trie_->bytes(token);
}

bool ConstraintState::is_end(Token token) const noexcept {
  return std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end();
}

std::vector<Token> ConstraintState::encoded(std::string_view text) const {
  std::vector<Token> tokens = tokenizer_.encode(
      text, added_tokens_.empty() ? Tokenizer::ControlTokens::as_text : Tokenizer::ControlTokens::parse);
  std::string bytes;
  for (const Token token : tokens) {
    const std::string_view own = bytes_of(token);
    if (own.empty()) return {};
    bytes += own;
  }
  if (bytes != text) tokens.clear();  // normalized, or with a space in front
  return tokens;
}

std::size_t ConstraintState::encoded_cost(Config config) {
  if (const auto it = encoded_costs_.find(config); it != encoded_costs_.end()) return it->second;
  std::size_t cost = static_cast<std::size_t>(automaton_.cost(config));
  // What begins in the middle of a character is not encoded as text.
  if (cost > 0 && cost < 100'000 && !automaton_.in_character(config)) {
    const std::vector<Token> tokens = encoded(automaton_.shortest(config));
    if (!tokens.empty()) cost = std::min(cost, tokens.size());
  }
  return encoded_costs_[config] = cost;
}

bool ConstraintState::fits(Config config, int left) {
  if (left < 0) return false;
  const auto room = static_cast<std::size_t>(left);
  return automaton_.cost(config) <= room || encoded_cost(config) <= room;
}

std::size_t ConstraintState::shortest_ending() {
  const std::size_t cost = encoded_cost(config_);
  return plan_.empty() ? cost : std::min(cost, plan_.size());
}

bool ConstraintState::allows(Token token) {
  if (is_end(token)) return can_end();
  const std::string_view bytes = bytes_of(token);
  if (bytes.empty()) return false;
  if (!plan_.empty() && plan_.back() == token) return true;
  const Config next = automaton_.run(config_, bytes);
  return next >= 0 && fits(next, left_ - 1);
}

// Called for a new configuration: the plan is for those that fit only as the tokenizer writes them.
void ConstraintState::forget() {
  if (automaton_.size() > kMaxConfigs) {
    config_ = automaton_.compact(config_);
    masks_.clear();
    encoded_costs_.clear();
  }
  if (masks_.size() > kMaxMasks) masks_.clear();
  if (automaton_.cost(config_) <= static_cast<Cost>(left_)) {
    plan_.clear();
  } else if (plan_.empty()) {
    plan_ = encoded(automaton_.shortest(config_));
    std::reverse(plan_.begin(), plan_.end());
  }
}

void ConstraintState::accept(Token token) {
  if (is_end(token)) return;
  if (!allows(token)) fail(ErrorCode::internal, "constraint: token ", token, " is not allowed");
  config_ = automaton_.run(config_, bytes_of(token));
  --left_;
  if (!plan_.empty() && plan_.back() == token) {
    plan_.pop_back();
  } else {
    plan_.clear();
  }
  recent_.push_back(token);
  if (recent_.size() > 4 * kRecentTokens) recent_.erase(recent_.begin(), recent_.end() - kRecentTokens);
  forget();
}

bool ConstraintState::must_end() {
  if (!can_end()) return false;
  return left_ == 0 || automaton_.next_bytes(config_).none();
}

void ConstraintState::walk_nodes(std::span<const TokenTrie::Node> nodes, bool budget, Mask& mask) {
  path_[0] = config_;
  for (std::size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    const Config next = automaton_.step(path_[node.depth - 1u], node.byte);
    if (next < 0) {
      i = node.end;
      continue;
    }
    path_[node.depth] = next;
    if (node.token >= 0 && (!budget || fits(next, left_ - 1))) {
      mask.tokens.set(node.token);
      mask.max_cost = std::max(mask.max_cost, automaton_.cost(next));
    }
    ++i;
  }
}

ConstraintState::Mask ConstraintState::walk(bool budget) {
  Mask mask{TokenSet(trie_->vocabulary()), automaton_.cost(config_)};
  const auto string = automaton_.plain_string(config_);
  // In a string without a pattern most tokens are allowed, and only the others need the automaton.
  if (!budget && string.inside && string.alone) {
    mask.tokens.add(trie_->interior(string.free));
    mask.max_cost += kCostOfPartialChar;
    walk_nodes(trie_->string_end_nodes(), budget, mask);
  } else {
    const bool slice =
        string.inside && (budget ? string.alone && string.long_enough : string.free >= trie_->max_plain());
    if (slice && (!budget || fits(config_, left_ - 1))) mask.tokens.add(trie_->plain(string.free));
    walk_nodes(slice ? trie_->other_nodes() : trie_->nodes(), budget, mask);
  }
  for (const auto& [token, text] : added_tokens_) {
    const Config next = automaton_.run(config_, text);
    if (next < 0 || (budget && !fits(next, left_ - 1))) continue;
    mask.tokens.set(token);
    mask.max_cost = std::max(mask.max_cost, automaton_.cost(next));
  }
  for (const auto& [token, other] : trie_->duplicates())
    if (mask.tokens.contains(token)) mask.tokens.set(other);
  if (budget && !plan_.empty()) mask.tokens.set(plan_.back());
  if (can_end())
    for (const Token token : end_tokens_) mask.tokens.set(token);
  return mask;
}

const TokenSet& ConstraintState::allowed() {
  auto it = masks_.find(config_);
  if (it == masks_.end()) it = masks_.emplace(config_, walk(false)).first;
  if (it->second.max_cost < static_cast<Cost>(left_)) return it->second.tokens;
  last_ = walk(true);
  return last_.tokens;
}

std::vector<Token> ConstraintState::few_allowed(std::size_t limit) {
  // The walk through the vocabulary is short if few bytes can come next.
  constexpr std::size_t kFewBytes = 12;
  if (!masks_.contains(config_) && automaton_.next_bytes(config_).count() > kFewBytes) return {};
  const TokenSet& set = allowed();
  return set.count() <= limit ? set.tokens() : std::vector<Token>();
}

std::vector<Token> ConstraintState::forced() {
  const std::string text = automaton_.forced(config_, kMaxForced);
  if (text.empty()) return {};
  std::string context;
  const std::size_t first = recent_.size() > kRecentTokens ? recent_.size() - kRecentTokens : 0;
  for (std::size_t i = first; i < recent_.size(); ++i) context += bytes_of(recent_[i]);
  const std::vector<Token> tokens = encoded(context + text);
  const Config end = automaton_.run(config_, text);
  // Nothing follows a complete text: all of it is settled.
  const std::size_t settled = automaton_.accepts(end) && automaton_.next_bytes(end).none()
                                  ? context.size() + text.size()
                                  : settled_length(context + text);
  std::vector<Token> out;
  std::size_t at = 0;
  Config config = config_;
  int left = left_;
  std::size_t planned = plan_.size();
  for (const Token token : tokens) {
    const std::size_t begin = at;
    at += bytes_of(token).size();
    if (begin < context.size()) {
      if (at > context.size()) return {};  // the model has split this place in another way
      continue;
    }
    if (at > settled) break;
    config = automaton_.run(config, bytes_of(token));
    const bool is_planned = planned > 0 && plan_[planned - 1] == token;
    if (!is_planned && !fits(config, left - 1)) break;
    planned = is_planned ? planned - 1 : 0;
    --left;
    out.push_back(token);
  }
  return out;
}

}  // namespace qwen::constraints
