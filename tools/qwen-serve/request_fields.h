// Fields of requests that the readers accept without using them, or refuse by name. docs/server.md and /openapi.json
// list them from this table.
#pragma once
#include <array>
#include <span>

#include "qwen-serve/json_fields.h"

namespace qwen_serve {

enum class FieldScope {
  completions,            // /v1/chat/completions and /v1/completions
  chat_completions,       // /v1/chat/completions
  text_completions,       // /v1/completions
  stream_options,         // of both
  message,                // each of "messages"
  message_not_assistant,  // those of the other roles
  message_not_tool,
  content_part,  // of a message
  tool_call,     // of an assistant's message
  tool_call_function,
  ollama,           // /api/chat and /api/generate
  ollama_generate,  // /api/generate
  ollama_options,   // of both
  ollama_show,      // /api/show
};

struct RequestField {
  enum Use {
    ignored,  // cannot change the answer: any value is accepted
    refused,  // would change the answer: 400 unless its value asks for nothing (Fields::refuse())
  };
  FieldScope scope;
  Use use;
  const char* name;
  std::array<InputJson, 2> harmless = {};  // refused: further values that ask for nothing; null: none
};

std::span<const RequestField> request_fields();
const char* scope_name(FieldScope scope);

// Ignores and refuses the fields of a scope. Throws ApiError 400 for a field that is refused.
void ignore_and_refuse(Fields& fields, FieldScope scope);

}  // namespace qwen_serve
