#include "qwen/tool_call.h"

#include <optional>

#include "base/fail.h"
#include "constraints/json_tree.h"
#include "constraints/program.h"

namespace qwen {
namespace {

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

}  // namespace

ToolCalls parse_tool_calls(std::string_view answer) {
  constexpr std::string_view kBegin = constraints::kToolCallBegin, kEnd = constraints::kToolCallEnd;
  ToolCalls out;
  while (!answer.empty()) {
    const std::size_t begin = answer.find(kBegin);
    const std::size_t end = begin == std::string_view::npos ? begin : answer.find(kEnd, begin);
    if (end == std::string_view::npos) break;
    const std::string_view before = trimmed(answer.substr(0, begin));
    const std::size_t body = begin + kBegin.size();
    const auto call = read_call(answer.substr(body, end - body));
    const std::string_view kept = call ? before : answer.substr(0, end + kEnd.size());
    if (!out.content.empty() && !trimmed(kept).empty()) out.content += "\n";
    out.content += trimmed(kept);
    if (call) out.calls.push_back(*call);
    answer.remove_prefix(end + kEnd.size());
  }
  const std::string_view rest = trimmed(answer);
  if (!out.content.empty() && !rest.empty()) out.content += "\n";
  out.content += rest;
  return out;
}

}  // namespace qwen
