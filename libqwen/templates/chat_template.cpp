#include "qwen/chat_template.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/fail.h"
#include "base/utf8.h"
#include "templates/builtin_templates.h"
#include "templates/interpreter.h"

namespace qwen {
namespace templates {

struct ParsedTemplate {
  std::string name;
  Body body;
};

}  // namespace templates

namespace {

using templates::Origin;
using templates::Text;
using templates::Type;
using templates::Value;

constexpr std::string_view kStart = "<|im_start|>", kEnd = "<|im_end|>", kEndOfText = "<|endoftext|>";
constexpr std::size_t kMaxTemplateBytes = std::size_t{4} << 20;
// The mark behind the last message's text while its place in the rendering is looked for. The rule, with the
// space at the end, is that of Hugging Face's transformers 5.
constexpr std::string_view kTag = "CONTINUE_FINAL_MESSAGE_TAG ";

Value key(std::string_view name) {
  return Value::string(name, Origin::caller);
}

Value caller_text(std::string_view text) {
  return Value::string(replace_invalid_utf8(text), Origin::caller);
}

// A role with one of the four known names cannot smuggle anything in: it counts as the template's own text,
// so that '<|' + role + '|>' makes a control token.
Value role_text(const Value& role) {
  if (!role.is_string()) return role;
  for (const std::string_view known : {"system", "user", "assistant", "tool"})
    if (role.as_string() == known) return Value::string(known, Origin::template_text);
  return role;
}

Value json_of(std::string_view text, const std::string& what, Type expected) {
  Value value = templates::parse_json(text, what);
  if (!value.is(expected))
    fail(ErrorCode::bad_format, what, ": expected a JSON ", expected == Type::list ? "array" : "object",
         ", found ", templates::type_name(value));
  return value;
}

Value message_value(const Message& message, std::size_t index) {
  const std::string where = cat("chat message ", index);
  templates::DictBuilder dict;
  dict.set(key("role"), role_text(caller_text(message.role)));
  dict.set(key("content"), caller_text(message.content));
  if (!message.reasoning_content.empty())
    dict.set(key("reasoning_content"), caller_text(message.reasoning_content));
  if (!message.tool_calls.empty())
    dict.set(key("tool_calls"), json_of(message.tool_calls, where + ", tool_calls", Type::list));
  if (!message.fields.empty()) {
    const Value fields = json_of(message.fields, where + ", fields", Type::dict);
    for (const auto& [name, value] : fields.as<templates::DictHeap>().items)
      dict.set(name, name.as_string() == "role" ? role_text(value) : value);
  }
  return dict.finish();
}

// `dict` with one member replaced or added.
Value with_member(const Value& dict, std::string_view name, Value value) {
  templates::DictBuilder out;
  for (const auto& [own, old] : dict.as<templates::DictHeap>().items) out.set(own, old);
  out.set(key(name), std::move(value));
  return out.finish();
}

const Value* member(const Value& value, std::string_view name) {
  return value.is(Type::dict) ? value.as<templates::DictHeap>().find(name) : nullptr;
}

[[noreturn]] void fail_continue(std::string_view why) {
  fail(ErrorCode::invalid_argument, "chat template: continue_final_message: ", why);
}

// The last message with kTag behind its text, and that text.
struct TaggedMessage {
  Value message;
  std::string text;
};
TaggedMessage tag_message(const Value& message) {
  const auto tagged = [](const Value& text) {
    Text out = text.as_text();
    out.append(kTag, Origin::caller);
    return Value::string(std::move(out));
  };
  const Value* content = member(message, "content");
  if (content == nullptr) fail_continue("the last message has no content");
  if (content->is_string()) return {with_member(message, "content", tagged(*content)), content->as_string()};
  if (!content->is(Type::list))
    fail_continue("the last message's content is neither text nor a list of parts");
  std::vector<Value> parts = content->items();
  for (std::size_t i = parts.size(); i-- > 0;) {
    const Value* text = member(parts[i], "text");
    if (text == nullptr) continue;
    if (!text->is_string()) fail_continue("the last text part's text is not a string");
    const std::string own = text->as_string();
    parts[i] = with_member(parts[i], "text", tagged(*text));
    return {with_member(message, "content", Value::list(std::move(parts))), own};
  }
  fail_continue("the last message has no text part");
}

// The rendering up to the end of the last message's text.
Text cut_at_tag(const Text& rendered, const std::string& message) {
  const std::string& text = rendered.bytes();
  const std::string_view tag = kTag.substr(0, kTag.size() - 1);
  const std::string own = strip(Text(message, Origin::caller), templates::Side::both).bytes();
  const std::size_t at = text.rfind(tag);
  if (at == std::string::npos || text.find(own) == std::string::npos)
    fail_continue("the template does not render the last message's text");
  const Text before = rendered.sub_bytes(0, at);
  return text.compare(at, kTag.size(), kTag) == 0 ? before : strip(before, templates::Side::right);
}

RenderedPrompt segments_of(const Text& text) {
  RenderedPrompt prompt;
  for (std::size_t begin = 0; begin < text.size_bytes();) {
    const Origin origin = text.origin_of_byte(begin);
    std::size_t end = begin + 1;
    while (end < text.size_bytes() && text.origin_of_byte(end) == origin) ++end;
    prompt.segments.push_back({text.bytes().substr(begin, end - begin), origin == Origin::template_text});
    begin = end;
  }
  if (!prompt.segments.empty() && prompt.segments.back().from_template) {
    const Text last(prompt.segments.back().text, Origin::template_text);
    if (strip(last, templates::Side::right).bytes().ends_with("<think>")) prompt.thought = Thought::begun;
  }
  return prompt;
}

bool has_tags(std::string_view text) {
  return text.find("{%") != std::string_view::npos || text.find("{{") != std::string_view::npos;
}

Value optional_token(const std::optional<std::string>& token) {
  return Value::string(replace_invalid_utf8(*token), Origin::template_text);
}

RenderedPrompt render_values(const templates::ParsedTemplate& parsed,
                             const ChatTemplate::SpecialTokens& tokens, std::vector<Value> messages,
                             const ChatTemplate::RenderOptions& options) {
  std::optional<TaggedMessage> tagged;
  if (options.continue_final_message) {
    if (messages.empty()) fail_continue("there are no messages");
    tagged = tag_message(messages.back());
    messages.back() = tagged->message;
  }
  // The interpreter refers to the names.
  const Value variables =
      options.variables.empty() ? Value() : json_of(options.variables, "template variables", Type::dict);
  templates::Interpreter interpreter(templates::Limits{}, options.now.value_or(std::time(nullptr)));
  interpreter.define("messages", Value::list(std::move(messages)));
  interpreter.define("tools", options.tools.empty() ? Value() : json_of(options.tools, "tools", Type::list));
  interpreter.define("documents", Value());
  interpreter.define("add_generation_prompt",
                     Value::boolean(options.add_generation_prompt && !options.continue_final_message));
  if (options.enable_thinking)
    interpreter.define("enable_thinking", Value::boolean(*options.enable_thinking));
  const auto& bos = options.bos_token ? options.bos_token : tokens.bos;
  const auto& eos = options.eos_token ? options.eos_token : tokens.eos;
  if (bos) interpreter.define("bos_token", optional_token(bos));
  if (eos) interpreter.define("eos_token", optional_token(eos));
  if (variables.is(Type::dict))
    for (const auto& [name, value] : variables.as<templates::DictHeap>().items)
      interpreter.define(name.as_string(), value);
  const Text text = interpreter.render(parsed.body);
  return segments_of(tagged ? cut_at_tag(text, tagged->text) : text);
}

}  // namespace

std::string RenderedPrompt::text() const {
  std::string text;
  for (const Segment& segment : segments) text += segment.text;
  return text;
}

bool ChatTemplate::is_builtin(std::string_view name) noexcept {
  return templates::find_builtin_template(name) != nullptr;
}

ChatTemplate::ChatTemplate(std::string_view name_or_text, Tokenizer tokenizer, SpecialTokens tokens)
    : tokenizer_(std::move(tokenizer)), tokens_(std::move(tokens)) {
  const templates::BuiltinTemplate* builtin = templates::find_builtin_template(name_or_text);
  if (builtin == nullptr && !has_tags(name_or_text))
    fail(ErrorCode::invalid_argument, "chat template: expected one of ", templates::builtin_template_names(),
         ", or a text with Jinja tags, found ", quoted(name_or_text));
  if (name_or_text.size() > kMaxTemplateBytes)
    fail(ErrorCode::bad_format, "chat template: ", name_or_text.size(), " bytes, expected at most ",
         kMaxTemplateBytes);
  if (builtin != nullptr) {
    for (const std::string_view needed : {kStart, kEnd})
      if (!tokenizer_.find_added_token(needed))
        fail(ErrorCode::unsupported, "chat template ", name_or_text, ": the vocabulary has no control token ",
             needed);
  }
  parsed_ = std::make_shared<const templates::ParsedTemplate>(templates::ParsedTemplate{
      builtin != nullptr ? std::string(name_or_text) : "custom",
      templates::parse_template(builtin != nullptr ? std::string_view(builtin->text)
                                                   : std::string_view(replace_invalid_utf8(name_or_text)))});
  const auto add_end = [&](std::string_view text) {
    const auto token = tokenizer_.find_added_token(text);
    if (token && std::find(end_of_turn_.begin(), end_of_turn_.end(), *token) == end_of_turn_.end())
      end_of_turn_.push_back(*token);
  };
  add_end(kEnd);
  if (tokens_.eos) add_end(*tokens_.eos);
  add_end(kEndOfText);
  if (end_of_turn_.empty())
    fail(ErrorCode::unsupported, "chat template: the vocabulary has no token that ends a turn");
  thinking_ = find_thinking();
}

ChatTemplate::Thinking ChatTemplate::find_thinking() const {
  const auto render_with = [this](bool enable) -> std::optional<RenderedPrompt> {
    RenderOptions options;
    options.enable_thinking = enable;
    const Message question{"user", "Hello"};
    try {
      return apply({&question, 1}, options);
    } catch (const Error&) {
      return std::nullopt;  // this template refuses this conversation
    }
  };
  const auto on = render_with(true), off = render_with(false);
  if (!on) return Thinking::none;
  if (!off) return Thinking::always;
  if (on->text() != off->text()) return Thinking::optional;
  return on->thought == Thought::begun ? Thinking::always : Thinking::none;
}

ChatTemplate::ChatTemplate(std::string_view name_or_text, Tokenizer tokenizer)
    : ChatTemplate(name_or_text, std::move(tokenizer), SpecialTokens{}) {}

std::string_view ChatTemplate::name() const noexcept {
  return parsed_->name;
}

// Adds what only the template as a whole tells: whether the model may think.
RenderedPrompt ChatTemplate::finish(RenderedPrompt prompt, const RenderOptions& options) const {
  const bool wanted = enable_thinking(options.enable_thinking.value_or(true));
  const bool answers = options.add_generation_prompt && !options.continue_final_message;
  if (prompt.thought == Thought::none && thinking_ != Thinking::none && wanted && answers)
    prompt.thought = Thought::may_begin;
  return prompt;
}

RenderedPrompt ChatTemplate::apply(std::span<const Message> messages, const RenderOptions& options) const {
  std::vector<Value> values;
  for (std::size_t i = 0; i < messages.size(); ++i) values.push_back(message_value(messages[i], i));
  return finish(render_values(*parsed_, tokens_, std::move(values), options), options);
}

RenderedPrompt ChatTemplate::apply(std::string_view messages_json, const RenderOptions& options) const {
  std::vector<Value> values = json_of(messages_json, "messages", Type::list).items();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].is(Type::dict))
      fail(ErrorCode::bad_format, "messages: expected an object as message ", i, ", found ",
           templates::type_name(values[i]));
    if (const Value* role = member(values[i], "role"))
      values[i] = with_member(values[i], "role", role_text(*role));
  }
  return finish(render_values(*parsed_, tokens_, std::move(values), options), options);
}

std::vector<Token> ChatTemplate::encode(const RenderedPrompt& prompt) const {
  std::vector<Tokenizer::TextPart> parts;
  for (const RenderedPrompt::Segment& segment : prompt.segments)
    parts.push_back({segment.text, segment.from_template ? Tokenizer::ControlTokens::parse
                                                         : Tokenizer::ControlTokens::as_text});
  return tokenizer_.encode(parts);
}

}  // namespace qwen
