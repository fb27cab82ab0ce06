#include "qwen/tool_call.h"

#include <optional>
#include <utility>

#include "base/fail.h"
#include "constraints/json_tree.h"
#include "constraints/program.h"

namespace qwen {
namespace {

using constraints::kToolCallBegin;
using constraints::kToolCallEnd;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

std::optional<ToolCall> read_call(std::string_view block) {
  using constraints::JsonTree;
  try {
    const JsonTree tree = constraints::parse_json_tree(trimmed(block), "tool call");
    const JsonTree* name = tree.find("name");
    const JsonTree* arguments = tree.find("arguments");
    if (tree.keys.size() != 2 || name == nullptr || arguments == nullptr) return std::nullopt;
    if (!name->is(JsonTree::Kind::string) || !arguments->is(JsonTree::Kind::object)) return std::nullopt;
    return ToolCall{name->text, constraints::to_json(*arguments)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Where the block that begins at `from` ends: the first </tool_call> outside of JSON strings. npos: there is none, or
// the block is not JSON.
std::size_t find_end(std::string_view answer, std::size_t from) {
  bool in_string = false;
  for (std::size_t i = from; i < answer.size(); ++i) {
    if (answer[i] == '"') {
      in_string = !in_string;
    } else if (answer[i] == '\\') {
      if (!in_string) return std::string_view::npos;
      ++i;  // an escape
    } else if (!in_string && answer.substr(i).starts_with(kToolCallEnd)) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

ToolCalls parse_tool_calls(std::string_view answer) {
  constexpr std::size_t npos = std::string_view::npos;
  ToolCalls out;
  const auto keep = [&](std::string_view text) {
    text = trimmed(text);
    if (text.empty()) return;
    if (!out.content.empty()) out.content += '\n';
    out.content += text;
  };
  for (;;) {
    const std::size_t begin = answer.find(kToolCallBegin);
    std::size_t end = begin == npos ? npos : answer.find(kToolCallEnd, begin);
    if (end == npos) break;
    const std::size_t body = begin + kToolCallBegin.size();
    std::optional<ToolCall> call;
    if (const std::size_t json_end = find_end(answer, body); json_end != npos)
      if ((call = read_call(answer.substr(body, json_end - body)))) end = json_end;
    const std::size_t next = end + kToolCallEnd.size();
    keep(answer.substr(0, call ? begin : next));
    if (call) out.calls.push_back(std::move(*call));
    answer.remove_prefix(next);
  }
  keep(answer);
  return out;
}

}  // namespace qwen
