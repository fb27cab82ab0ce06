#include "qwen-serve/openai_request.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "qwen-serve/request_fields.h"

namespace qwen_serve {
namespace {

constexpr float kMinTopP = 1e-6f;  // only the most probable token
constexpr std::int64_t kMaxToken = std::numeric_limits<qwen::Token>::max();

std::string at(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

// A string, or a list of {"type": "text", "text": ...}.
std::string read_content(const InputJson* content, const std::string& path) {
  if (content && content->is_string()) return content->get<std::string>();
  if (!content || !content->is_array())
    throw bad_field(path, path + ": expected a string or a list of text parts" +
                              (content ? ", found " + describe(*content) : ""));
  std::string text;
  for (std::size_t i = 0; i < content->size(); ++i) {
    const std::string name = at(path, i);
    if (!(*content)[i].is_object())
      throw bad_field(name, name + ": expected an object, found " + describe((*content)[i]));
    Fields part((*content)[i], name);
    const std::string type = part.text("type").value_or("");
    if (type != "text")
      throw bad_field(name + ".type", name + ".type: only \"text\" is supported, found " + describe(type),
                      "unsupported_field");
    const auto piece = part.text("text");
    if (!piece) throw bad_field(name + ".text", name + ".text is missing", "missing_field");
    ignore_and_refuse(part, FieldScope::content_part);
    part.finish();
    text += *piece;
  }
  return text;
}

std::vector<std::pair<qwen::Token, float>> read_logit_bias(const InputJson* map) {
  std::vector<std::pair<qwen::Token, float>> out;
  if (!map) return out;
  if (!map->is_object())
    throw bad_field("logit_bias", "logit_bias: expected an object of token ids, found " + describe(*map));
  for (const auto& [key, value] : map->items()) {
    qwen::Token token = -1;
    const auto end = key.data() + key.size();
    const auto parsed = std::from_chars(key.data(), end, token);
    if (parsed.ec != std::errc() || parsed.ptr != end || token < 0)
      throw bad_field("logit_bias", "logit_bias: expected a token id, found " + describe(key));
    if (!value.is_number() || !(value.get<double>() >= -100 && value.get<double>() <= 100))
      throw bad_field("logit_bias",
                      "logit_bias: expected a number from -100 to 100, found " + describe(value));
    out.emplace_back(token, value.get<float>());
  }
  return out;
}

// What both kinds of completion share.
void read_common(Fields& fields, RawJson raw, CompletionRequest& request) {
  request.model = fields.text("model");
  request.reply.read_sampling(fields);
  request.logit_bias = read_logit_bias(fields.find("logit_bias"));
  request.stop = fields.texts("stop", kMaxStops);
  std::erase(request.stop, "");  // stops nothing
  request.n = static_cast<int>(fields.integer("n", 1, kMaxChoices).value_or(1));
  request.stream = fields.flag("stream").value_or(false);
  if (const InputJson* options = fields.find("stream_options")) {
    if (!request.stream) throw bad_field("stream_options", "stream_options: only if \"stream\" is true");
    if (!options->is_object())
      throw bad_field("stream_options", "stream_options: expected an object, found " + describe(*options));
    Fields inner(*options, "stream_options");
    request.include_usage = inner.flag("include_usage").value_or(false);
    ignore_and_refuse(inner, FieldScope::stream_options);
    inner.finish();
  }
  request.user = fields.text("user").value_or("").substr(0, 256);
  request.ignore_eos = fields.flag("ignore_eos").value_or(false);
  request.min_tokens = static_cast<int>(fields.integer("min_tokens", 0, kMaxToken).value_or(0));
  if (const InputJson* ids = fields.find("stop_token_ids"))
    request.stop_tokens = read_tokens(*ids, "stop_token_ids");
  request.format = read_answer_format(fields, raw);
  if (request.format.kind != AnswerFormat::Kind::text) {
    if (request.ignore_eos)
      throw bad_field("ignore_eos", "ignore_eos: not together with " + request.format.field);
    if (request.min_tokens > 0)
      throw bad_field("min_tokens", "min_tokens: not together with " + request.format.field);
  }
  ignore_and_refuse(fields, FieldScope::completions);
}

}  // namespace

void ReplyFields::read_sampling(Fields& fields) {
  temperature = fields.number("temperature", 0, 2);
  if (const auto p = fields.number("top_p", 0, 1)) top_p = std::max(static_cast<float>(*p), kMinTopP);
  min_p = fields.number("min_p", 0, 1);
  if (const auto k = fields.integer("top_k", -1, kMaxToken)) top_k = std::max(static_cast<int>(*k), 0);
  repetition_penalty = fields.number("repetition_penalty", 0.01, 10);
  const auto other = fields.number("repeat_penalty", 0.01, 10);  // llama.cpp's name
  if (other && repetition_penalty && *other != *repetition_penalty)
    throw bad_field("repeat_penalty", "repeat_penalty and repetition_penalty differ");
  if (other) repetition_penalty = *other;
  presence_penalty = fields.number("presence_penalty", -2, 2);
  frequency_penalty = fields.number("frequency_penalty", -2, 2);
  if (const auto value = fields.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                        std::numeric_limits<std::int64_t>::max()))
    if (*value != -1) seed = static_cast<std::uint64_t>(*value);  // -1: random
}

void ReplyFields::read_max_tokens(Fields& fields, int low) {
  const char* first = nullptr;
  for (const char* name : {"max_completion_tokens", "max_tokens", "n_predict"}) {
    const auto value = fields.integer(name, kNoLimit, kMaxToken);
    if (!value) continue;
    if (*value != kNoLimit && *value < low)
      throw bad_field(name, std::string(name) + ": expected -1 or a whole number from " +
                                std::to_string(low) + " to " + std::to_string(kMaxToken) + ", found " +
                                std::to_string(*value));
    if (first && *max_tokens != *value)
      throw bad_field(name, std::string(first) + " and " + name + " differ");
    first = name;
    max_tokens = static_cast<int>(*value);
  }
}

namespace {

// One call of a tool in an assistant's message, as templates read it: with the arguments as an object.
std::string read_tool_call(const InputJson& value, const std::string& path) {
  if (!value.is_object()) throw bad_field(path, path + ": expected an object, found " + describe(value));
  Fields fields(value, path);
  const std::string id = fields.text("id").value_or("");
  if (const std::string type = fields.text("type").value_or("function"); type != "function")
    throw bad_field(path + ".type", path + ".type: only \"function\" is supported, found " + describe(type),
                    "unsupported_field");
  ignore_and_refuse(fields, FieldScope::tool_call);
  const InputJson* inner = fields.find("function");
  const std::string name_of_function = path + ".function";
  if (!inner || !inner->is_object())
    throw bad_field(name_of_function, name_of_function + ": expected an object", "missing_field");
  Fields function(*inner, name_of_function);
  const std::string name = function.text("name").value_or("");
  ignore_and_refuse(function, FieldScope::tool_call_function);
  const InputJson* found = function.find("arguments");
  std::string arguments = "{}";
  if (found && found->is_string()) {
    if (!found->get_ref<const std::string&>().empty()) arguments = found->get<std::string>();
    if (!InputJson::accept(arguments) || !InputJson::parse(arguments).is_object())
      throw bad_field(
          name_of_function + ".arguments",
          name_of_function + ".arguments: expected a JSON object in a string, found " + describe(*found));
  } else if (found) {
    arguments = found->dump();
  }
  function.finish();
  fields.finish();
  const auto quote = [](const std::string& text) {
    return InputJson(text).dump(-1, ' ', false, InputJson::error_handler_t::replace);
  };
  return R"({"id": )" + quote(id) + R"(, "type": "function", "function": {"name": )" + quote(name) +
         R"(, "arguments": )" + arguments + "}}";
}

std::string read_tool_calls(const InputJson* list, const std::string& path) {
  if (!list || list->empty()) return {};
  if (!list->is_array()) throw bad_field(path, path + ": expected a list, found " + describe(*list));
  std::string text;
  for (std::size_t i = 0; i < list->size(); ++i)
    text += (i > 0 ? ", " : "[") + read_tool_call((*list)[i], at(path, i));
  return text + "]";
}

qwen::Message read_message(const InputJson& value, const std::string& path) {
  if (!value.is_object()) throw bad_field(path, path + ": expected an object, found " + describe(value));
  Fields fields(value, path);
  qwen::Message message;
  message.role = fields.text("role").value_or("");
  if (message.role == "developer") message.role = "system";
  if (message.role != "system" && message.role != "user" && message.role != "assistant" &&
      message.role != "tool")
    throw bad_field(
        path + ".role",
        path + ".role: expected system, developer, user, assistant or tool, found " + describe(message.role));
  InputJson further = InputJson::object();
  if (message.role == "assistant") {
    message.tool_calls = read_tool_calls(fields.find("tool_calls"), path + ".tool_calls");
    const auto thought = fields.text("reasoning_content");
    const auto other = fields.text("reasoning");  // vLLM's name
    message.reasoning_content = thought ? *thought : other.value_or("");
  }
  if (message.role == "tool")
    for (const char* name : {"tool_call_id", "name"})
      if (const auto text = fields.text(name)) further[name] = *text;
  const InputJson* content = fields.find("content");
  if (content || message.tool_calls.empty())
    message.content = read_content(content, path + ".content");
  else
    further["content"] = nullptr;
  ignore_and_refuse(fields, FieldScope::message);
  if (message.role != "assistant") ignore_and_refuse(fields, FieldScope::message_not_assistant);
  if (message.role != "tool") ignore_and_refuse(fields, FieldScope::message_not_tool);
  fields.finish();
  if (!further.empty()) message.fields = further.dump();
  return message;
}

}  // namespace

std::vector<qwen::Message> read_messages(const InputJson& list, const std::string& path) {
  if (!list.is_array() || list.empty())
    throw bad_field(path, path + ": expected a list of at least one message, found " +
                              (list.is_array() ? "an empty one" : describe(list)));
  std::vector<qwen::Message> messages;
  for (std::size_t i = 0; i < list.size(); ++i) messages.push_back(read_message(list[i], at(path, i)));
  return messages;
}

std::vector<qwen::Token> read_tokens(const InputJson& list, const std::string& path) {
  std::vector<qwen::Token> tokens;
  if (!list.is_array())
    throw bad_field(path, path + ": expected a list of token ids, found " + describe(list));
  tokens.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const InputJson& item = list[i];
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxToken))
      throw bad_field(at(path, i), at(path, i) + ": expected a token id, found " + describe(item));
    tokens.push_back(item.get<qwen::Token>());
  }
  return tokens;
}

namespace {

// enable_thinking and thinking_budget, as Qwen's own API names them; also within chat_template_kwargs.
void read_thinking(Fields& fields, CompletionRequest& request) {
  if (const auto on = fields.flag("enable_thinking")) request.thinking = on;
  if (const auto budget = fields.integer("thinking_budget", 0, kMaxToken))
    request.thought_tokens = static_cast<int>(*budget);
}

}  // namespace

CompletionRequest read_chat_request(const InputJson& body, RawJson raw) {
  Fields fields(body);
  CompletionRequest request;
  request.chat = true;
  const InputJson* messages = fields.find("messages");
  if (!messages) throw bad_field("messages", "messages is missing", "missing_field");
  request.messages = read_messages(*messages, "messages");
  read_common(fields, raw, request);
  request.reply.read_max_tokens(fields, 1);
  read_thinking(fields, request);
  const bool logprobs = fields.flag("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, kMaxLogprobs);
  if (top && !logprobs) throw bad_field("top_logprobs", "top_logprobs: only if \"logprobs\" is true");
  if (logprobs) request.logprobs = static_cast<int>(top.value_or(0));
  if (const InputJson* kwargs = fields.find("chat_template_kwargs")) {
    if (!kwargs->is_object())
      throw bad_field("chat_template_kwargs",
                      "chat_template_kwargs: expected an object, found " + describe(*kwargs));
    Fields inner(*kwargs, "chat_template_kwargs");
    read_thinking(inner, request);
    inner.finish();
  }
  request.add_generation_prompt = fields.flag("add_generation_prompt").value_or(true);
  request.continue_final_message = fields.flag("continue_final_message").value_or(false);
  if (request.continue_final_message && request.messages.back().role != "assistant")
    throw bad_field("continue_final_message",
                    "continue_final_message: the last message is not the assistant's");
  ignore_and_refuse(fields, FieldScope::chat_completions);
  fields.finish();
  return request;
}

CompletionRequest read_completion_request(const InputJson& body, RawJson raw) {
  Fields fields(body);
  CompletionRequest request;
  const InputJson* prompt = fields.find("prompt");
  if (!prompt) throw bad_field("prompt", "prompt is missing", "missing_field");
  const char* expected =
      "prompt: expected a string, a list of strings, a list of token ids or a list of such";
  if (prompt->is_string()) {
    request.prompts.emplace_back(prompt->get<std::string>());
  } else if (!prompt->is_array() || prompt->empty()) {
    throw bad_field("prompt", std::string(expected) + ", found " + describe(*prompt));
  } else if ((*prompt)[0].is_number()) {
    request.prompts.emplace_back(read_tokens(*prompt, "prompt"));
  } else {
    if (prompt->size() > kMaxPrompts)
      throw bad_field("prompt", "prompt: expected at most " + std::to_string(kMaxPrompts) +
                                    " prompts, found " + std::to_string(prompt->size()));
    for (std::size_t i = 0; i < prompt->size(); ++i) {
      const InputJson& item = (*prompt)[i];
      if (item.is_string())
        request.prompts.emplace_back(item.get<std::string>());
      else
        request.prompts.emplace_back(read_tokens(item, at("prompt", i)));
    }
  }
  read_common(fields, raw, request);
  if (!request.format.tools.empty())
    throw bad_field("tools", "tools: only in /v1/chat/completions", "unsupported_field");
  if (request.prompts.size() * static_cast<std::size_t>(request.n) > kMaxPrompts)
    throw bad_field("n", "n: expected at most " + std::to_string(kMaxPrompts) + " choices in all");
  request.reply.read_max_tokens(fields, 0);
  if (const auto top = fields.integer("logprobs", 0, kMaxLogprobs)) request.logprobs = static_cast<int>(*top);
  request.echo = fields.flag("echo").value_or(false);
  ignore_and_refuse(fields, FieldScope::text_completions);
  fields.finish();
  return request;
}

}  // namespace qwen_serve
