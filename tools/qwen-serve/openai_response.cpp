#include "qwen-serve/openai_response.h"

#include <cmath>
#include <cstdio>
#include <ctime>

namespace qwen_serve {
namespace {

// JSON has no infinity: impossible tokens get OpenAI's lowest value. NaN, of a token that nothing precedes, is null.
Json logprob_json(float logprob) {
  if (std::isnan(logprob)) return nullptr;
  return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0;
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : (lead & 0xF0) == 0xE0       ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
    if (size == 0 || i + size > text.size()) return false;
    for (std::size_t k = 1; k < size; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    i += size;
  }
  return true;
}

// Part of a character is written as OpenAI does: "bytes:\\xe4\\xbd".
std::string token_key(const std::string& bytes) {
  if (is_utf8(bytes)) return bytes;
  std::string key = "bytes:";
  for (const char c : bytes) {
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    key += hex;
  }
  return key;
}

// The calls of a delta, each with an id, a name, or more of its arguments.
Json call_pieces(const std::vector<qwen::ToolCallPiece>& pieces) {
  Json list = Json::array();
  for (const qwen::ToolCallPiece& piece : pieces) {
    Json entry = {{"index", piece.index}};
    if (!piece.name.empty()) {
      entry["id"] = "call_" + random_id();
      entry["type"] = "function";
      entry["function"]["name"] = piece.name;
    }
    entry["function"]["arguments"] = piece.arguments;
    list.push_back(std::move(entry));
  }
  return list;
}

// The same, whole.
Json whole_calls(const std::vector<qwen::ToolCallPiece>& pieces) {
  Json list = Json::array();
  for (const qwen::ToolCall& call : join_calls(pieces))
    list.push_back({{"id", "call_" + random_id()},
                    {"type", "function"},
                    {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  return list;
}

Json message_json(const Delta& delta) {
  Json message = {{"role", "assistant"}, {"content", delta.text}, {"refusal", nullptr}};
  if (!delta.reasoning.empty()) message["reasoning_content"] = delta.reasoning;
  if (delta.calls.empty()) return message;
  if (delta.text.empty()) message["content"] = nullptr;
  message["tool_calls"] = whole_calls(delta.calls);
  return message;
}

Json token_json(const qwen::Tokenizer& tokenizer, const qwen::TokenProbability& entry) {
  const std::string bytes = tokenizer.token_bytes(entry.token);
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return {{"token", bytes}, {"logprob", logprob_json(entry.logprob)}, {"bytes", std::move(list)}};
}

}  // namespace

void Delta::add_logprobs(const std::vector<qwen::TokenProbability>& tokens,
                         const std::vector<std::vector<qwen::TokenProbability>>& others) {
  logprobs.insert(logprobs.end(), tokens.begin(), tokens.end());
  alternatives.insert(alternatives.end(), others.begin(), others.end());
}

std::vector<qwen::ToolCall> join_calls(const std::vector<qwen::ToolCallPiece>& pieces) {
  std::vector<qwen::ToolCall> calls;
  for (const qwen::ToolCallPiece& piece : pieces) {
    if (!piece.name.empty()) calls.push_back({piece.name, {}});
    calls.back().arguments += piece.arguments;
  }
  return calls;
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

ReplySplitter::ReplySplitter(qwen::Thought thought, bool tools) {
  if (thought != qwen::Thought::none) thought_.emplace(thought == qwen::Thought::begun);
  if (tools) calls_.emplace();
}

Delta ReplySplitter::split(qwen::ThoughtSplitter::Parts parts) {
  Delta out;
  out.reasoning = std::move(parts.reasoning);
  if (calls_) {
    auto found = calls_->push(parts.answer);
    out.text = std::move(found.text);
    out.calls = std::move(found.calls);
  } else {
    out.text = std::move(parts.answer);
  }
  return out;
}

Delta ReplySplitter::push(std::string_view text) {
  return split(thought_ ? thought_->push(text) : qwen::ThoughtSplitter::Parts{{}, std::string(text)});
}

Delta ReplySplitter::finish() {
  Delta out = split(thought_ ? thought_->finish() : qwen::ThoughtSplitter::Parts{});
  if (calls_) {
    auto rest = calls_->finish();
    out.text += rest.text;
    for (auto& piece : rest.calls) out.calls.push_back(std::move(piece));
  }
  return out;
}

const char* finish_name(qwen::FinishReason reason, bool has_calls) {
  using qwen::FinishReason;
  // Calls that the token limit ended are complete, only fewer.
  if (has_calls && (reason == FinishReason::end_of_turn || reason == FinishReason::length))
    return "tool_calls";
  return reason == FinishReason::end_of_turn || reason == FinishReason::stop_string ? "stop" : "length";
}

Json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.generated_tokens},
          {"total_tokens", usage.prompt_tokens + usage.generated_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

Json timings_json(const Timings& timings) {
  const double decoded = timings.generated_tokens > 1 && timings.decode_seconds > 0
                             ? (timings.generated_tokens - 1) / timings.decode_seconds
                             : 0;
  return {{"queue_ms", to_ms(timings.queue_seconds)},
          {"ttft_ms", to_ms(timings.first_token_seconds)},
          {"total_ms", to_ms(timings.total_seconds)},
          {"tokens_per_second", std::round(decoded * 100) / 100}};
}

CompletionBodies::CompletionBodies(bool chat, std::string model, std::uint64_t fingerprint,
                                   qwen::Tokenizer tokenizer, bool logprobs, bool include_usage)
    : chat_(chat),
      logprobs_(logprobs),
      include_usage_(include_usage),
      id_((chat ? "chatcmpl-" : "cmpl-") + random_id()),
      model_(std::move(model)),
      created_(static_cast<long>(std::time(nullptr))),
      tokenizer_(std::move(tokenizer)) {
  char text[24];
  std::snprintf(text, sizeof text, "fp_%016llx", static_cast<unsigned long long>(fingerprint));
  fingerprint_ = text;
}

Json CompletionBodies::head(bool chunk) const {
  Json body = {{"id", id_},
               {"object", !chat_  ? "text_completion"
                          : chunk ? "chat.completion.chunk"
                                  : "chat.completion"},
               {"created", created_},
               {"model", model_},
               {"system_fingerprint", fingerprint_}};
  if (chunk && include_usage_) body["usage"] = nullptr;
  return body;
}

Json CompletionBodies::logprobs(const Delta& delta, std::size_t offset) const {
  if (!logprobs_) return nullptr;
  if (chat_) {
    Json content = Json::array();
    for (std::size_t i = 0; i < delta.logprobs.size(); ++i) {
      Json entry = token_json(tokenizer_, delta.logprobs[i]);
      entry["top_logprobs"] = Json::array();
      if (i < delta.alternatives.size())
        for (const auto& other : delta.alternatives[i])
          entry["top_logprobs"].push_back(token_json(tokenizer_, other));
      content.push_back(std::move(entry));
    }
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }
  Json tokens = Json::array(), values = Json::array(), top = Json::array(), offsets = Json::array();
  for (std::size_t i = 0; i < delta.logprobs.size(); ++i) {
    const std::string bytes = tokenizer_.token_bytes(delta.logprobs[i].token);
    tokens.push_back(token_key(bytes));
    values.push_back(logprob_json(delta.logprobs[i].logprob));
    Json others = values.back().is_null() ? Json() : Json::object();
    if (i < delta.alternatives.size())
      for (const auto& other : delta.alternatives[i])
        // Two tokens of the same text: the first is the more probable one.
        others.emplace(token_key(tokenizer_.token_bytes(other.token)), logprob_json(other.logprob));
    top.push_back(std::move(others));
    offsets.push_back(offset);
    offset += count_characters(bytes);
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(top)},
          {"text_offset", std::move(offsets)}};
}

Json CompletionBodies::whole(const Answer& answer, const Timings& timings) const {
  Json body = head(false);
  body["choices"] = Json::array();
  for (std::size_t i = 0; i < answer.choices.size(); ++i) {
    const Choice& choice = answer.choices[i];
    Json entry = {{"index", i}};
    if (chat_)
      entry["message"] = message_json(choice.delta);
    else
      entry["text"] = choice.delta.text;
    entry["logprobs"] = logprobs(choice.delta, 0);
    entry["finish_reason"] = finish_name(choice.finish, !choice.delta.calls.empty());
    body["choices"].push_back(std::move(entry));
  }
  body["usage"] = usage_json(answer.usage);
  body["timings"] = timings_json(timings);
  return body;
}

Json CompletionBodies::role_chunk(int index) const {
  Json body = head(true);
  body["choices"] = Json::array({{{"index", index},
                                  {"delta", {{"role", "assistant"}, {"content", ""}}},
                                  {"logprobs", nullptr},
                                  {"finish_reason", nullptr}}});
  return body;
}

Json CompletionBodies::delta_chunk(int index, const Delta& delta, std::size_t text_offset) const {
  Json body = head(true);
  Json entry = {{"index", index}};
  if (chat_) {
    entry["delta"] = Json::object();
    if (!delta.reasoning.empty()) entry["delta"]["reasoning_content"] = delta.reasoning;
    if (!delta.text.empty() || (delta.reasoning.empty() && delta.calls.empty()))
      entry["delta"]["content"] = delta.text;
    if (!delta.calls.empty()) entry["delta"]["tool_calls"] = call_pieces(delta.calls);
  } else {
    entry["text"] = delta.text;
  }
  entry["logprobs"] = logprobs(delta, text_offset);
  entry["finish_reason"] = nullptr;
  body["choices"] = Json::array({std::move(entry)});
  return body;
}

Json CompletionBodies::finish_chunk(int index, const Choice& choice) const {
  Json body = head(true);
  Json entry = {{"index", index}};
  if (chat_)
    entry["delta"] = Json::object();
  else
    entry["text"] = "";
  entry["logprobs"] = nullptr;
  entry["finish_reason"] = finish_name(choice.finish, !choice.delta.calls.empty());
  body["choices"] = Json::array({std::move(entry)});
  return body;
}

Json CompletionBodies::usage_chunk(const Usage& usage, const Timings& timings) const {
  Json body = head(true);
  body["choices"] = Json::array();
  body["usage"] = usage_json(usage);
  body["timings"] = timings_json(timings);
  return body;
}

}  // namespace qwen_serve
