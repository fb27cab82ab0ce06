// The ChatML templates of the Qwen models, in their variants. They render what the models' own templates
// render.
#include "templates/builtin_templates.h"

#include <algorithm>
#include <array>

namespace qwen::templates {
namespace {

// A system message is added unless the conversation begins with one.
std::string chatml(std::string_view default_system) {
  std::string text;
  if (!default_system.empty())
    text = "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\n" + std::string(default_system) +
           "<|im_end|>\\n' }}{% endif %}";
  return text +
         "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% "
         "endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
}

// The prompt that lists the tools, and the turns of the results.
constexpr std::string_view kTools = R"~~~(
{%- macro tool_list(tools) -%}
  {{ "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
  {%- for tool in tools %}{{ '\n' ~ tool|tojson }}{% endfor %}
  {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>" }}
{%- endmacro -%}
{%- macro tool_result(content, first, last) -%}
  {%- if first %}{{ '<|im_start|>user' }}{% endif -%}
  {{ '\n<tool_response>\n' ~ content ~ '\n</tool_response>' }}
  {%- if last %}{{ '<|im_end|>\n' }}{% endif -%}
{%- endmacro -%}
)~~~";

constexpr std::string_view kQwen25 = R"~~~(
{%- set own_system = messages[0].role == 'system' -%}
{%- set system = messages[0].content if own_system else 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' -%}
{{ '<|im_start|>system\n' + system }}
{%- if tools %}{{ '\n\n' ~ tool_list(tools) }}{% endif -%}
{{ '<|im_end|>\n' }}
{%- for m in messages -%}
  {%- if m.role == 'user' or (m.role == 'system' and not loop.first) or (m.role == 'assistant' and not m.tool_calls) -%}
    {{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
  {%- elif m.role == 'assistant' -%}
    {{ '<|im_start|>assistant' }}
    {%- if m.content %}{{ '\n' + m.content }}{% endif -%}
    {%- for call in m.tool_calls -%}
      {%- if call.function is defined %}{% set call = call.function %}{% endif -%}
      {{ '\n<tool_call>\n{"name": "' ~ call.name ~ '", "arguments": ' ~ call.arguments|tojson ~ '}\n</tool_call>' }}
    {%- endfor -%}
    {{ '<|im_end|>\n' }}
  {%- elif m.role == 'tool' -%}
    {{ tool_result(m.content, loop.first or messages[loop.index0 - 1].role != 'tool', loop.last or messages[loop.index0 + 1].role != 'tool') }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
)~~~";

// Thoughts are kept in the turns after the last question only.
constexpr std::string_view kQwen3 = R"~~~(
{%- set own_system = messages[0].role == 'system' -%}
{%- if tools -%}
  {{ '<|im_start|>system\n' }}
  {%- if own_system %}{{ messages[0].content + '\n\n' }}{% endif -%}
  {{ tool_list(tools) ~ '<|im_end|>\n' }}
{%- elif own_system -%}
  {{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif -%}
{%- set last = namespace(question=messages|length - 1) -%}
{%- for m in messages[::-1] -%}
  {%- if m.role == 'user' and not (m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>')) -%}
    {%- set last.question = messages|length - loop.index -%}
    {%- break -%}
  {%- endif -%}
{%- endfor -%}
{%- for m in messages -%}
  {%- if m.role == 'user' or (m.role == 'system' and not loop.first) -%}
    {{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
  {%- elif m.role == 'assistant' -%}
    {%- set content = m.content -%}
    {%- set thought = '' -%}
    {%- if m.reasoning_content is defined and m.reasoning_content is not none -%}
      {%- set thought = m.reasoning_content -%}
    {%- elif '</think>' in m.content -%}
      {%- set thought = m.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') -%}
      {%- set content = m.content.split('</think>')[-1].lstrip('\n') -%}
    {%- endif -%}
    {{ '<|im_start|>assistant\n' }}
    {%- if loop.index0 > last.question and (loop.last or thought) -%}
      {{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
    {%- else -%}
      {{ '' + content }}
    {%- endif -%}
    {%- for call in m.tool_calls or [] -%}
      {%- if content or not loop.first %}{{ '\n' }}{% endif -%}
      {%- if call.function %}{% set call = call.function %}{% endif -%}
      {%- set arguments = call.arguments if call.arguments is string else call.arguments|tojson -%}
      {{ '<tool_call>\n{"name": "' ~ call.name ~ '", "arguments": ' ~ arguments ~ '}\n</tool_call>' }}
    {%- endfor -%}
    {{ '<|im_end|>\n' }}
  {%- elif m.role == 'tool' -%}
    {{ tool_result(m.content, loop.first or messages[loop.index0 - 1].role != 'tool', loop.last or messages[loop.index0 + 1].role != 'tool') }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{ '<|im_start|>assistant\n' }}
  {%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif -%}
{%- endif -%}
)~~~";

}  // namespace

std::span<const BuiltinTemplate> builtin_templates() {
  static const std::array<BuiltinTemplate, 5> all = {{
      {"qwen1.5", chatml("You are a helpful assistant")},
      {"qwen2", chatml("You are a helpful assistant.")},
      {"qwen2.5", std::string(kTools) + std::string(kQwen25)},
      {"qwen3", std::string(kTools) + std::string(kQwen3)},
      {"chatml", chatml("")},
  }};
  return all;
}

const BuiltinTemplate* find_builtin_template(std::string_view name) {
  const auto all = builtin_templates();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const BuiltinTemplate& t) { return t.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string builtin_template_names() {
  std::string names;
  for (const BuiltinTemplate& t : builtin_templates())
    names += (names.empty() ? "" : ", ") + std::string(t.name);
  return names;
}

}  // namespace qwen::templates
