// What clients ask of the endpoints that run tasks, read and checked. Pure functions of the body.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "qwen-serve/openai_request.h"
#include "qwen/chat.h"

namespace qwen_serve {

inline constexpr std::size_t kMaxTexts = 256;
inline constexpr std::size_t kMaxLabels = 64;

struct ClassifyRequest {
  std::optional<std::string> model, task;
  std::vector<std::string> labels;  // instead of a task
  std::vector<std::string> texts;
  bool many = false;  // "texts": the answer is a list
};

struct AnalyzeRequest {
  std::string text;  // "": the last message once more
  std::optional<std::string> model, session, task, reply;
  bool label = true, answer = true;  // false where "task" or "reply" is null
  bool regenerate = false;
  std::optional<bool> history;
  std::optional<std::vector<qwen::ChatTurn>> turns;  // "messages": the client keeps the history; no session
  std::optional<std::string> system;                 // instead of the reply task's
  std::string partial;                               // the reply so far, to go on with
  bool think = false;
  int thought_tokens = -1;  // at most; -1: no limit
  ReplyFields fields;
};

struct ChatRequest {
  std::string prompt;
  std::optional<std::string> model, session;
  std::optional<bool> history;
  std::optional<std::vector<qwen::ChatTurn>> turns;  // "history" as a list
  ReplyFields fields;
};

struct TokenizeRequest {
  std::optional<std::string> model;
  std::string text;
  bool special = false;
};

struct DetokenizeRequest {
  std::optional<std::string> model;
  std::vector<qwen::Token> tokens;
};

ClassifyRequest read_classify_request(const InputJson& body);
AnalyzeRequest read_analyze_request(const InputJson& body);
ChatRequest read_plain_chat_request(const InputJson& body);
TokenizeRequest read_tokenize_request(const InputJson& body);
DetokenizeRequest read_detokenize_request(const InputJson& body);

}  // namespace qwen_serve
