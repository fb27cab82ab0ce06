#include "qwen/thinking.h"

#include <algorithm>

#include "templates/tag_search.h"

namespace qwen {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>", kSpace = templates::kTagSpace;

void drop_leading_space(std::string& text) {
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
}

}  // namespace

// Handles as much of the held text as is certain. Returns false if nothing more can be done with it.
bool ThoughtSplitter::step(Parts& parts, bool last) {
  switch (state_) {
    case State::begin: {
      const std::size_t begin = std::min(held_.find_first_not_of(kSpace), held_.size());
      const std::string_view text = std::string_view(held_).substr(begin);
      if (text.starts_with(kOpen)) {
        held_.erase(0, begin + kOpen.size());
        state_ = State::thought_begin;
        return true;
      }
      if (!last && kOpen.starts_with(text)) return false;
      state_ = State::answer;
      return true;
    }
    case State::thought_begin:
      drop_leading_space(held_);
      if (held_.empty()) return false;
      state_ = State::thought;
      return true;
    case State::thought: {
      const std::size_t close = held_.find(kClose);
      if (close != std::string::npos) {
        const std::size_t end = held_.find_last_not_of(kSpace, close == 0 ? 0 : close - 1);
        if (close > 0 && end != std::string::npos) parts.reasoning += held_.substr(0, end + 1);
        held_.erase(0, close + kClose.size());
        state_ = State::answer_begin;
        return true;
      }
      const std::size_t certain =
          last ? held_.size() : held_.size() - templates::tag_beginning(held_, kClose);
      parts.reasoning += held_.substr(0, certain);
      held_.erase(0, certain);
      return false;
    }
    case State::answer_begin:
      drop_leading_space(held_);
      if (held_.empty()) return false;
      state_ = State::answer;
      return true;
    case State::answer:
      parts.answer += held_;
      held_.clear();
      return false;
  }
  return false;
}

ThoughtSplitter::Parts ThoughtSplitter::push(std::string_view text) {
  Parts parts;
  held_ += text;
  while (step(parts, false)) {
  }
  return parts;
}

ThoughtSplitter::Parts ThoughtSplitter::finish() {
  Parts parts;
  while (step(parts, true)) {
  }
  held_.clear();
  return parts;
}

}  // namespace qwen
