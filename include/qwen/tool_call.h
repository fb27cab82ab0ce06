// Calls of functions in a model's answer.
#pragma once
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

}  // namespace qwen
