// Reads and checks the bodies of /v1/chat/completions and /v1/completions. Pure functions of the body.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/sampling.h"
#include "qwen-serve/answer_format.h"
#include "qwen-serve/json_fields.h"
#include "qwen/chat_template.h"
#include "qwen/generate.h"

namespace qwen_serve {

inline constexpr int kMaxChoices = 16;  // of one prompt
inline constexpr int kMaxPrompts = 128;
inline constexpr int kMaxLogprobs = 20;
inline constexpr std::size_t kMaxStops = 16;

// The options of a reply that all endpoints share; absent if the request does not set them.
struct ReplyFields : tools::SamplingChoice {
  static constexpr int kNoLimit = -1;  // as many tokens as the context has room for
  std::optional<int> max_tokens;

  // temperature, top_p, top_k, min_p, the penalties and seed.
  void read_sampling(Fields& fields);
  // max_tokens and its other names; -1 is kNoLimit.
  void read_max_tokens(Fields& fields, int low);
};

struct CompletionRequest {
  bool chat = false;
  std::optional<std::string> model;
  std::vector<qwen::Message> messages;                                       // chat
  std::vector<std::variant<std::string, std::vector<qwen::Token>>> prompts;  // else
  ReplyFields reply;
  std::vector<std::pair<qwen::Token, float>> logit_bias;
  std::vector<std::string> stop;
  int n = 1;
  int logprobs = -1;  // >= 0: record them, with this many alternatives
  bool stream = false, include_usage = false;
  bool echo = false;        // completions: the prompt's text before the reply
  bool ignore_eos = false;  // go on after the end of the turn
  int min_tokens = 0;       // before the end of the turn
  std::vector<qwen::Token> stop_tokens;
  std::optional<bool> thinking;  // none: only if the template cannot turn it off
  int thought_tokens = -1;       // -1: no limit
  AnswerFormat format;
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  std::string user;
};

// `raw` is the text of `body`.
CompletionRequest read_chat_request(const InputJson& body, RawJson raw);
CompletionRequest read_completion_request(const InputJson& body, RawJson raw);

// A list of at least one message: {"role", "content"}, and for tools "tool_calls" and "tool_call_id".
std::vector<qwen::Message> read_messages(const InputJson& list, const std::string& path);
// A list of token ids.
std::vector<qwen::Token> read_tokens(const InputJson& list, const std::string& path);

}  // namespace qwen_serve
