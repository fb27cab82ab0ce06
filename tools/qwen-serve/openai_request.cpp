#include "qwen-serve/openai_request.h"

#include <charconv>
#include <limits>

namespace qwen_serve {
namespace {

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
void read_common(Fields& fields, CompletionRequest& request) {
  request.model = fields.text("model");
  request.reply.read_sampling(fields);
  request.logit_bias = read_logit_bias(fields.find("logit_bias"));
  request.stop = fields.texts("stop", kMaxStops);
  request.n = static_cast<int>(fields.integer("n", 1, kMaxChoices).value_or(1));
  request.stream = fields.flag("stream").value_or(false);
  if (const InputJson* options = fields.find("stream_options")) {
    if (!request.stream) throw bad_field("stream_options", "stream_options: only where \"stream\" is true");
    if (!options->is_object())
      throw bad_field("stream_options", "stream_options: expected an object, found " + describe(*options));
    Fields inner(*options, "stream_options");
    request.include_usage = inner.flag("include_usage").value_or(false);
    inner.refuse("include_obfuscation");
    inner.finish();
  }
  request.user = fields.text("user").value_or("").substr(0, 256);
}

}  // namespace

void ReplyFields::read_sampling(Fields& fields) {
  temperature = fields.number("temperature", 0, 2);
  top_p = fields.number("top_p", 1e-6, 1);
  min_p = fields.number("min_p", 0, 1);
  if (const auto k = fields.integer("top_k", 0, kMaxToken)) top_k = static_cast<int>(*k);
  repetition_penalty = fields.number("repetition_penalty", 0.01, 10);
  presence_penalty = fields.number("presence_penalty", -2, 2);
  frequency_penalty = fields.number("frequency_penalty", -2, 2);
  if (const auto value = fields.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                        std::numeric_limits<std::int64_t>::max()))
    seed = static_cast<std::uint64_t>(*value);
}

std::vector<qwen::Message> read_messages(const InputJson& list, const std::string& path) {
  if (!list.is_array() || list.empty())
    throw bad_field(path, path + ": expected a list of at least one message, found " +
                              (list.is_array() ? "an empty one" : describe(list)));
  std::vector<qwen::Message> messages;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string name = at(path, i);
    if (!list[i].is_object())
      throw bad_field(name, name + ": expected an object, found " + describe(list[i]));
    Fields fields(list[i], name);
    std::string role = fields.text("role").value_or("");
    if (role == "developer") role = "system";
    if (role != "system" && role != "user" && role != "assistant")
      throw bad_field(name + ".role",
                      name + ".role: expected system, developer, user or assistant, found " + describe(role));
    std::string content = read_content(fields.find("content"), name + ".content");
    for (const char* other : {"name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"})
      fields.refuse(other);
    fields.finish();
    messages.push_back({std::move(role), std::move(content)});
  }
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

CompletionRequest read_chat_request(const InputJson& body) {
  Fields fields(body);
  CompletionRequest request;
  request.chat = true;
  const InputJson* messages = fields.find("messages");
  if (!messages) throw bad_field("messages", "messages is missing", "missing_field");
  request.messages = read_messages(*messages, "messages");
  read_common(fields, request);
  const auto old_name = fields.integer("max_tokens", 1, kMaxToken);
  const auto new_name = fields.integer("max_completion_tokens", 1, kMaxToken);
  if (old_name && new_name && *old_name != *new_name)
    throw bad_field("max_tokens", "max_tokens and max_completion_tokens are given and differ");
  if (new_name || old_name) request.reply.max_tokens = static_cast<int>(new_name ? *new_name : *old_name);
  const bool logprobs = fields.flag("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, kMaxLogprobs);
  if (top && !logprobs) throw bad_field("top_logprobs", "top_logprobs: only where \"logprobs\" is true");
  if (logprobs) request.logprobs = static_cast<int>(top.value_or(0));
  fields.refuse("response_format", {{"type", "text"}});
  fields.refuse("tool_choice", "none");
  fields.refuse("function_call", "none");
  fields.refuse("modalities", InputJson::array({"text"}));
  fields.refuse("service_tier", "auto");
  for (const char* name :
       {"tools", "functions", "parallel_tool_calls", "audio", "prediction", "metadata", "store",
        "reasoning_effort", "verbosity", "web_search_options", "prompt_cache_key", "safety_identifier"})
    fields.refuse(name);
  fields.finish();
  return request;
}

CompletionRequest read_completion_request(const InputJson& body) {
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
    if (prompt->size() > kMaxChoices)
      throw bad_field("prompt", "prompt: at most " + std::to_string(kMaxChoices) + " prompts in one request");
    for (std::size_t i = 0; i < prompt->size(); ++i) {
      const InputJson& item = (*prompt)[i];
      if (item.is_string())
        request.prompts.emplace_back(item.get<std::string>());
      else
        request.prompts.emplace_back(read_tokens(item, at("prompt", i)));
    }
  }
  read_common(fields, request);
  if (request.prompts.size() * static_cast<std::size_t>(request.n) > kMaxChoices)
    throw bad_field("n", "n: at most " + std::to_string(kMaxChoices) + " choices in one request");
  if (const auto tokens = fields.integer("max_tokens", 1, kMaxToken))
    request.reply.max_tokens = static_cast<int>(*tokens);
  if (const auto top = fields.integer("logprobs", 0, kMaxLogprobs)) request.logprobs = static_cast<int>(*top);
  fields.refuse("best_of", 1);
  fields.refuse("echo");
  fields.refuse("suffix");
  fields.finish();
  return request;
}

}  // namespace qwen_serve
