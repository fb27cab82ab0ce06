// Calls of functions in a model's answer.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/export.h"

namespace qwen {

// A function that a model may call.
struct ToolFunction {
  std::string name;          // UTF-8, not empty
  std::string parameters{};  // a JSON schema of an object; "": any object
};

// A call as the model wrote it: neither name nor arguments are checked against a list of functions.
struct ToolCall {
  std::string name;       // of the function
  std::string arguments;  // a JSON object
};

// An answer, taken apart.
struct ToolCalls {
  std::string content;          // the text outside of the calls, without white space at its ends
  std::vector<ToolCall> calls;  // in the order of the answer
};

// Finds the calls <tool_call>{"name": ..., "arguments": {...}}</tool_call> in an answer of Qwen2.5 or Qwen3. A block
// that is not complete, or whose JSON is malformed or has other members, stays in the content.
QWEN_API ToolCalls parse_tool_calls(std::string_view answer);

// A piece of a call that is still being generated.
struct ToolCallPiece {
  std::size_t index = 0;    // of the call in the answer
  std::string name{};       // of the function; only in the first piece of a call
  std::string arguments{};  // the next part of the JSON object
};

// Finds calls as parse_tool_calls(), while the answer is generated, in the form that Constraint::tools() enforces.
// A block that does not begin like a call is text. One answer each; one thread at a time.
class QWEN_API ToolCallSplitter {
 public:
  // What is new: any text comes before the calls' pieces.
  struct Parts {
    std::string text;                  // outside of the calls, without the white space before and after them
    std::vector<ToolCallPiece> calls;  // in order
  };
  // Adds text, cut anywhere between characters. Text that may still become a tag is held back.
  Parts push(std::string_view text);
  // Ends the answer: returns what was held back.
  Parts finish();
  std::size_t calls() const noexcept { return calls_; }  // that have begun

 private:
  enum class State { text, head, arguments, after_call };
  State state_ = State::text;
  std::string held_;
  std::size_t calls_ = 0;

  bool step(Parts& parts, bool last);
};

}  // namespace qwen
