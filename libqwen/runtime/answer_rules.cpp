#include "runtime/answer_rules.h"

#include <algorithm>
#include <limits>

#include "base/fail.h"
#include "base/utf8.h"
#include "runtime/state.h"

namespace qwen::runtime {
namespace {

// Qwen3's way to end a thought early: the sentence that Qwen's documents prescribe, then the tag as the model writes it.
constexpr std::string_view kCutThought =
    "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking "
    "directly now."
    "\n</think>\n\n";
constexpr std::string_view kEmptyThought = "\n</think>\n\n";  // behind "<think>\n"
constexpr std::string_view kOpenThought = "<think>\n";
constexpr std::string_view kGap = "\n\n";  // between a thought and the answer

constexpr int kTokensOfCharacter = 3;   // that a cut may wait for: the rest of a character
constexpr std::size_t kFewTokens = 32;  // rows of the head that cost next to nothing
constexpr float kNever = -std::numeric_limits<float>::infinity();

std::vector<Token> tokens_that_end(const Model& model, const GenerateOptions& options) {
  std::vector<Token> out = options.stop_tokens;
  if (options.stop_at_end_of_turn)
    out.insert(out.end(), state_of(model).end_of_turn.begin(), state_of(model).end_of_turn.end());
  return out;
}

// The bytes at the end of `text` that may begin a character.
std::string incomplete_end(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    if (step.incomplete) break;
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return std::string(text);
}

}  // namespace

AnswerRules::AnswerRules(const Model& model, const GenerateOptions& options, int room)
    : tokenizer_(model.tokenizer()),
      end_tokens_(tokens_that_end(model, options)),
      model_end_tokens_(state_of(model).end_of_turn),
      constraint_(options.constraint),
      left_(std::min(options.max_new_tokens, room)),
      missing_(options.min_new_tokens) {
  if (options.min_new_tokens < 0)
    fail(ErrorCode::invalid_argument, "min_new_tokens: expected 0 or more, found ", options.min_new_tokens);
  if (options.min_new_tokens > 0 && constraint_)
    fail(ErrorCode::invalid_argument, "min_new_tokens: expected an answer without a constraint");
  if (options.thought_tokens < -1)
    fail(ErrorCode::invalid_argument, "thought_tokens: expected -1 or more, found ", options.thought_tokens);
  if (options.thought_tokens >= 0 && options.thought == Thought::none)
    fail(ErrorCode::invalid_argument, "thought_tokens: expected an answer with a thought");
  if (constraint_ && !options.stop_at_end_of_turn)
    fail(ErrorCode::invalid_argument,
         "constraint: expected stop_at_end_of_turn, since the answer ends with its text");
  if (constraint_) trie_ = state_of(model).token_trie();
  if (options.thought != Thought::none && (constraint_ || options.thought_tokens >= 0))
    plan_thought(options);
  else if (constraint_)
    text_.emplace(constraint_state(left_));
}

// Chooses the limit so that a constrained answer fits behind the thought.
void AnswerRules::plan_thought(const GenerateOptions& options) {
  open_ = tokenizer_.find_added_token("<think>");
  close_ = tokenizer_.find_added_token("</think>");
  if (!close_)
    fail(ErrorCode::unsupported, "thought: the vocabulary has no token </think>, which ends a thought");
  const bool begun = options.thought == Thought::begun;
  stage_ = begun || constraint_ ? Stage::thought : Stage::before_thought;
  if (options.thought_tokens >= 0) limit_ = options.thought_tokens;
  if (constraint_) {
    const std::size_t open = begun ? 0 : encode(kOpenThought).size();
    const std::size_t end = encode(kCutThought).size() + kTokensOfCharacter;
    const std::size_t shortest = constraint_state(std::numeric_limits<int>::max()).shortest_ending();
    const std::size_t needed = open + end + shortest;
    if (left_ < 0 || needed > static_cast<std::size_t>(left_))
      fail(ErrorCode::invalid_argument, "constraint: the shortest text needs ", shortest,
           " tokens and a thought ", open + end, ", expected at most max_new_tokens (", left_, ")");
    const int most = left_ - static_cast<int>(needed);
    limit_ = limit_ ? std::min(*limit_, most) : most;
  }
  if (limit_ == 0 && stage_ == Stage::thought) push_pending(kEmptyThought);
  if (constraint_ && !begun) push_pending(kOpenThought);
}

constraints::ConstraintState AnswerRules::constraint_state(int tokens) const {
  return {*constraint_, trie_, tokenizer_, model_end_tokens_, tokens};
}

std::vector<Token> AnswerRules::encode(std::string_view text) const {
  return tokenizer_.encode(text, Tokenizer::ControlTokens::parse);
}

// `text` must come next, before what is pending already.
void AnswerRules::push_pending(std::string_view text) {
  const std::vector<Token> tokens = encode(text);
  pending_.insert(pending_.end(), tokens.rbegin(), tokens.rend());
}

bool AnswerRules::allows(Token token) {
  if (!pending_.empty()) return token == pending_.back();
  if (text_) return text_->allows(token);
  return !blocks_end() || !is_end(token);
}

void AnswerRules::mask(std::span<float> logits) {
  const auto size = static_cast<Token>(logits.size());
  if (!pending_.empty()) {
    const Token next = pending_.back();
    const float logit = logits[static_cast<std::size_t>(next)];
    std::ranges::fill(logits, kNever);
    logits[static_cast<std::size_t>(next)] = logit;
  } else if (text_) {
    text_->allowed().mask(logits);
  } else if (blocks_end()) {
    for (const Token token : end_tokens_)
      if (token < size) logits[static_cast<std::size_t>(token)] = kNever;
  }
}

std::span<const Token> AnswerRules::few_allowed() {
  few_.clear();
  if (!pending_.empty())
    few_.push_back(pending_.back());
  else if (text_)
    few_ = text_->few_allowed(kFewTokens);
  return few_;
}

void AnswerRules::accept(Token token) {
  --left_;
  if (missing_ > 0) --missing_;
  const bool was_pending = !pending_.empty();
  if (was_pending) {
    if (pending_.back() != token) fail(ErrorCode::internal, "answer: token ", token, " is not allowed");
    pending_.pop_back();
  }
  switch (stage_) {
    case Stage::before_thought:
      if (token == open_) {
        stage_ = Stage::thought;
        if (limit_ == 0) push_pending(kEmptyThought);
      } else if (tokenizer_.token_bytes(token).find_first_not_of(" \t\r\n") != std::string::npos) {
        stage_ = Stage::answer;
      }
      break;
    case Stage::thought: accept_in_thought(token, was_pending); break;
    case Stage::answer:
      if (text_) text_->accept(token);
      break;
  }
  if (constraint_ && !text_ && stage_ == Stage::answer && pending_.empty())
    text_.emplace(constraint_state(left_));
}

void AnswerRules::accept_in_thought(Token token, bool was_pending) {
  if (token == close_) {
    stage_ = Stage::answer;
    if (constraint_ && !was_pending) push_pending(kGap);
    return;
  }
  if (was_pending || !limit_) return;
  if (*limit_ > 0) --*limit_;
  partial_ = incomplete_end(partial_ + tokenizer_.token_bytes(token));
  if (*limit_ == 0 && (partial_.empty() || waited_++ == kTokensOfCharacter)) push_pending(kCutThought);
}

std::vector<Token> AnswerRules::forced() {
  if (!pending_.empty()) return {pending_.rbegin(), pending_.rend()};
  return text_ ? text_->forced() : std::vector<Token>();
}

bool AnswerRules::is_end(Token token) const noexcept {
  return std::ranges::find(end_tokens_, token) != end_tokens_.end();
}

bool AnswerRules::may_go_on() {
  return text_ && text_->can_grow();
}

bool AnswerRules::complete() {
  return text_ && text_->must_end();
}

}  // namespace qwen::runtime
