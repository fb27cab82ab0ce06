#include <optional>

#include "constraints/json_tree.h"
#include "constraints/program.h"
#include "qwen/error.h"
#include "qwen/tool_call.h"
#include "templates/tag_search.h"

namespace qwen {
namespace {

using constraints::kToolCallBegin;
using templates::kTagSpace;
using templates::tag_beginning;

// The end of a call: the object's brace and the tag. Inside JSON strings a line break is escaped, so this is no part of
// the arguments.
constexpr std::string_view kCallEnd = "}\n</tool_call>";
constexpr std::string_view kArguments = "\"arguments\":";
constexpr std::size_t kMaxHead = 1024;  // bytes; a block with more of them before its arguments is text

// Where the arguments begin: behind `"arguments": ` outside of strings. npos: not yet.
std::size_t arguments_begin(std::string_view head) {
  bool in_string = false;
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (!in_string && head.substr(i).starts_with(kArguments))
      return head.find_first_not_of(' ', i + kArguments.size());
    if (head[i] == '"') in_string = !in_string;
    if (head[i] == '\\') ++i;
  }
  return std::string_view::npos;
}

// The name in `{"name": "...", "arguments": `.
std::optional<std::string> name_in(std::string_view head) {
  const std::string object = std::string(head.substr(0, head.rfind(kArguments))) + "\"arguments\":0}";
  try {
    const constraints::JsonTree tree = constraints::parse_json_tree(object, "tool call");
    const constraints::JsonTree* name = tree.find("name");
    if (tree.keys.size() != 2 || name == nullptr || !name->is(constraints::JsonTree::Kind::string)) return {};
    return name->text;
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

// Handles as much of the held text as is certain. Returns false if nothing more can be done with it.
bool ToolCallSplitter::step(Parts& parts, bool last) {
  const auto take = [&](std::size_t size) {
    std::string part = held_.substr(0, size);
    held_.erase(0, size);
    return part;
  };
  switch (state_) {
    case State::text: {
      const std::size_t begin = held_.find(kToolCallBegin);
      if (begin == std::string::npos) {
        parts.text += take(last ? held_.size() : held_.size() - tag_beginning(held_, kToolCallBegin));
        return false;
      }
      const std::size_t end = std::string_view(held_).substr(0, begin).find_last_not_of(kTagSpace);
      if (end != std::string::npos) parts.text += held_.substr(0, end + 1);
      held_.erase(0, begin);
      state_ = State::head;
      return true;
    }
    case State::head: {
      const std::string_view head = std::string_view(held_).substr(kToolCallBegin.size());
      const std::size_t begin = arguments_begin(head);
      if (begin == std::string::npos && head.size() <= kMaxHead && !last) return false;
      auto name = begin == std::string::npos ? std::nullopt : name_in(head.substr(0, begin));
      if (!name) {  // no call
        parts.text += take(kToolCallBegin.size());
        state_ = State::text;
        return true;
      }
      held_.erase(0, kToolCallBegin.size() + begin);
      parts.calls.push_back({calls_++, std::move(*name), {}});
      state_ = State::arguments;
      return true;
    }
    case State::arguments: {
      const std::size_t end = held_.find(kCallEnd);
      const std::size_t held_back = last ? 0 : templates::partial_tag(held_, kCallEnd);
      std::string part = take(end != std::string::npos ? end : held_.size() - held_back);
      if (!part.empty()) parts.calls.push_back({calls_ - 1, {}, std::move(part)});
      if (end == std::string::npos) return false;
      held_.erase(0, kCallEnd.size());
      state_ = State::after_call;
      return true;
    }
    case State::after_call:
      held_.erase(0, std::min(held_.find_first_not_of(kTagSpace), held_.size()));
      if (held_.empty()) return false;
      state_ = State::text;
      return true;
  }
  return false;
}

ToolCallSplitter::Parts ToolCallSplitter::push(std::string_view text) {
  Parts parts;
  held_ += text;
  while (step(parts, false)) {
  }
  return parts;
}

ToolCallSplitter::Parts ToolCallSplitter::finish() {
  Parts parts;
  while (step(parts, true)) {
  }
  held_.clear();
  return parts;
}

}  // namespace qwen
