// Separates a model's thought from its answer.
#pragma once
#include <string>
#include <string_view>

#include "qwen/export.h"

namespace qwen {

// Whether an answer has a thought (<think>...</think>) before its text.
enum class Thought {
  none,       // all of the answer is its text
  may_begin,  // the model may begin with <think>
  begun,      // the prompt ends within the thought
};

// Splits the text of an answer, as it is generated, into the thought ("<think>...</think>" at its beginning) and
// the answer proper. The tags and the white space around them belong to neither. One splitter per answer; one
// thread at a time.
class QWEN_API ThoughtSplitter {
 public:
  // `in_thought`: the prompt ends within the thought (Thought::begun).
  explicit ThoughtSplitter(bool in_thought) : state_(in_thought ? State::thought_begin : State::begin) {}

  // Text that is final. At most one thought comes before the answer: one call may return both.
  struct Parts {
    std::string reasoning;  // of the thought
    std::string answer;     // after it
  };
  // Adds text, cut anywhere between characters. Text that may still become a tag, or white space before one, is
  // held back.
  Parts push(std::string_view text);
  // Ends the answer: returns what was held back. A thought that was not closed stays a thought.
  Parts finish();
  // Whether a thought has begun and has not been closed.
  bool in_thought() const noexcept { return state_ == State::thought_begin || state_ == State::thought; }

 private:
  enum class State { begin, thought_begin, thought, answer_begin, answer };
  State state_;
  std::string held_;

  bool step(Parts& parts, bool last);
};

}  // namespace qwen
