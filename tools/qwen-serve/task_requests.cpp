#include "qwen-serve/task_requests.h"

namespace qwen_serve {
namespace {

// {"role", "content"} messages of a user and an assistant in turn.
std::vector<qwen::ChatTurn> read_message_turns(const InputJson& list, const std::string& field) {
  std::vector<qwen::ChatTurn> turns;
  const auto messages = list.empty() ? std::vector<qwen::Message>{} : read_messages(list, field.c_str());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != (i % 2 == 0 ? "user" : "assistant"))
      throw bad_field(field, field + ": expected messages of a user and an assistant in turn");
    if (i % 2 == 0)
      turns.push_back({messages[i].content, ""});
    else
      turns.back().assistant = messages[i].content;
  }
  if (messages.size() % 2 != 0)
    throw bad_field(field, field + ": expected an assistant's message at the end");
  return turns;
}

// ["user", "assistant"] pairs, or messages.
std::vector<qwen::ChatTurn> read_turns(const InputJson& list) {
  if (list.empty() || !list[0].is_array()) return read_message_turns(list, "history");
  std::vector<qwen::ChatTurn> turns;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const InputJson& pair = list[i];
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
      throw bad_field("history", "history[" + std::to_string(i) + "]: expected a pair of strings, found " +
                                     describe(pair));
    turns.push_back({pair[0].get<std::string>(), pair[1].get<std::string>()});
  }
  return turns;
}

void read_reply_fields(Fields& fields, ReplyFields& reply) {
  reply.read_sampling(fields);
  if (const auto tokens = fields.integer("max_tokens", 1, INT32_MAX))
    reply.max_tokens = static_cast<int>(*tokens);
}

// A text that must be there, and not be empty.
std::string read_message(Fields& fields, const std::string& name) {
  auto text = fields.text(name.c_str());
  if (!text) throw bad_field(name, name + " is missing", "missing_field");
  if (text->empty()) throw bad_field(name, name + " is empty");
  return std::move(*text);
}

// A name, or null for "none": `wanted` tells which.
std::optional<std::string> read_name(Fields& fields, const InputJson& body, const char* name, bool& wanted) {
  auto value = fields.text(name);
  wanted = !(body.contains(name) && body[name].is_null());
  return value;
}

}  // namespace

ClassifyRequest read_classify_request(const InputJson& body) {
  Fields fields(body);
  ClassifyRequest request;
  request.model = fields.text("model");
  request.task = fields.text("task");
  request.labels = fields.texts("labels", kMaxLabels);
  if (request.task && !request.labels.empty())
    throw bad_field("labels", "labels: a task has its own; give one of the two");
  const auto text = fields.text("text");
  const InputJson* texts = fields.find("texts");
  if ((text.has_value()) == (texts != nullptr))
    throw bad_field("text", "expected one of \"text\" and \"texts\"",
                    text ? "invalid_value" : "missing_field");
  if (text) {
    request.texts.push_back(*text);
  } else {
    request.many = true;
    if (!texts->is_array() || texts->empty() || texts->size() > kMaxTexts)
      throw bad_field("texts", "texts: expected a list of 1 to " + std::to_string(kMaxTexts) +
                                   " strings, found " + describe(*texts));
    for (const InputJson& item : *texts) {
      if (!item.is_string()) throw bad_field("texts", "texts: expected strings, found " + describe(item));
      request.texts.push_back(item.get<std::string>());
    }
  }
  fields.finish();
  return request;
}

AnalyzeRequest read_analyze_request(const InputJson& body) {
  Fields fields(body);
  AnalyzeRequest request;
  request.model = fields.text("model");
  request.session = fields.text("session");
  request.task = read_name(fields, body, "task", request.label);
  request.reply = read_name(fields, body, "reply", request.answer);
  if (!request.label && !request.answer)
    throw bad_field("task", "task and reply are both null: there is nothing to do");
  request.history = fields.flag("history");
  request.regenerate = fields.flag("regenerate").value_or(false);
  request.text = request.regenerate ? fields.text("text").value_or("") : read_message(fields, "text");
  if (request.regenerate && !request.session) throw bad_field("regenerate", "regenerate: only in a session");
  if (const InputJson* messages = fields.find("messages")) {
    if (!messages->is_array())
      throw bad_field("messages", "messages: expected a list of messages, found " + describe(*messages));
    if (request.session) throw bad_field("messages", "messages: a session has its own; give one of the two");
    if (request.history == false)
      throw bad_field("messages", "messages: history is false; leave one of the two out");
    request.turns = read_message_turns(*messages, "messages");
  }
  request.system = fields.text("system");
  request.partial = fields.text("partial").value_or("");
  request.think = fields.flag("think").value_or(false);
  if (const auto budget = fields.integer("thinking_budget", 0, INT32_MAX)) {
    if (!request.think) throw bad_field("thinking_budget", "thinking_budget: only if think is true");
    request.thought_tokens = static_cast<int>(*budget);
  }
  if (!request.answer && (request.system || !request.partial.empty() || request.think))
    throw bad_field("reply", "system, partial and think belong to a reply, but reply is null");
  read_reply_fields(fields, request.fields);
  fields.finish();
  return request;
}

ChatRequest read_plain_chat_request(const InputJson& body) {
  Fields fields(body);
  ChatRequest request;
  request.model = fields.text("model");
  request.session = fields.text("session");
  request.prompt = read_message(fields, "prompt");
  if (const InputJson* history = fields.find("history")) {
    if (history->is_array())
      request.turns = read_turns(*history);
    else if (history->is_boolean())
      request.history = history->get<bool>();
    else
      throw bad_field("history",
                      "history: expected true, false or a list of turns, found " + describe(*history));
  }
  if (request.turns && request.session)
    throw bad_field("history", "history: a session has its own; give one of the two");
  read_reply_fields(fields, request.fields);
  fields.finish();
  return request;
}

TokenizeRequest read_tokenize_request(const InputJson& body) {
  Fields fields(body);
  TokenizeRequest request;
  request.model = fields.text("model");
  const auto text = fields.text("text");
  if (!text) throw bad_field("text", "text is missing", "missing_field");
  request.text = *text;
  request.special = fields.flag("special").value_or(false);
  fields.finish();
  return request;
}

DetokenizeRequest read_detokenize_request(const InputJson& body) {
  Fields fields(body);
  const InputJson* tokens = fields.find("tokens");
  if (!tokens) throw bad_field("tokens", "tokens is missing", "missing_field");
  DetokenizeRequest request{fields.text("model"), read_tokens(*tokens, "tokens")};
  fields.finish();
  return request;
}

}  // namespace qwen_serve
