// Schemas of /openapi.json. "x-include" copies the properties of other schemas; fields that are ignored or refused are
// added from request_fields().
#include "qwen-serve/api_description.h"

namespace qwen_serve {

const char* const kRequestSchemas = R"json({
"Sampling": {"type": "object", "properties": {
  "temperature": {"type": "number", "minimum": 0, "maximum": 2, "description": "0 is greedy"},
  "top_p": {"type": "number", "minimum": 0, "maximum": 1},
  "top_k": {"type": "integer", "minimum": -1, "description": "0 and -1: off"},
  "min_p": {"type": "number", "minimum": 0, "maximum": 1},
  "repetition_penalty": {"type": "number", "minimum": 0.01, "maximum": 10},
  "repeat_penalty": {"type": "number", "minimum": 0.01, "maximum": 10, "description": "repetition_penalty"},
  "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
  "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
  "seed": {"type": "integer", "description": "The same seed gives the same reply; -1: random"}}},
"Generation": {"type": "object", "x-include": ["Sampling"], "properties": {
  "model": {"type": "string"},
  "max_tokens": {"type": "integer", "minimum": -1, "description": "-1: as many as the context holds"},
  "max_completion_tokens": {"type": "integer", "minimum": -1, "description": "max_tokens"},
  "n_predict": {"type": "integer", "minimum": -1, "description": "max_tokens"},
  "stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 16}]},
  "logit_bias": {"type": "object", "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
    "description": "By token id"},
  "n": {"type": "integer", "minimum": 1, "maximum": 16, "description": "Replies for each prompt"},
  "stream": {"type": "boolean"},
  "stream_options": {"$ref": "#/components/schemas/StreamOptions"},
  "user": {"type": "string", "description": "For the access log"},
  "min_tokens": {"type": "integer", "minimum": 0},
  "ignore_eos": {"type": "boolean", "description": "Continue after the end of the turn"},
  "stop_token_ids": {"type": "array", "items": {"type": "integer", "minimum": 0}},
  "response_format": {"type": "object", "description": "text, json_object, or json_schema with a schema"},
  "guided_json": {"description": "A schema of the answer"},
  "json_schema": {"description": "A schema of the answer"},
  "guided_regex": {"type": "string"},
  "guided_choice": {"type": "array", "items": {"type": "string"}, "maxItems": 1000}}},
"StreamOptions": {"type": "object", "additionalProperties": false, "properties": {
  "include_usage": {"type": "boolean", "description": "A last chunk with the usage"}}},
"ContentPart": {"type": "object", "additionalProperties": false, "required": ["type", "text"], "properties": {
  "type": {"const": "text"}, "text": {"type": "string"}}},
"ToolCallFunction": {"type": "object", "additionalProperties": false, "properties": {
  "name": {"type": "string"},
  "arguments": {"description": "A JSON object, or a string with one"}}},
"ToolCall": {"type": "object", "additionalProperties": false, "required": ["function"], "properties": {
  "id": {"type": "string"}, "type": {"const": "function"},
  "function": {"$ref": "#/components/schemas/ToolCallFunction"}}},
"Message": {"type": "object", "additionalProperties": false, "required": ["role"], "properties": {
  "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
  "content": {"anyOf": [{"type": ["string", "null"]},
    {"type": "array", "items": {"$ref": "#/components/schemas/ContentPart"}}]},
  "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCall"},
    "description": "Only of the assistant"},
  "reasoning_content": {"type": "string", "description": "The thought; only of the assistant"},
  "reasoning": {"type": "string", "description": "reasoning_content"},
  "tool_call_id": {"type": "string", "description": "Only of a tool"}}},
"ChatCompletionRequest": {"type": "object", "additionalProperties": false, "required": ["messages"],
  "x-include": ["Generation"], "properties": {
  "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
  "logprobs": {"type": "boolean"},
  "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
  "tools": {"type": "array", "maxItems": 128, "items": {"type": "object"}},
  "tool_choice": {"description": "none, auto, required, or a function"},
  "parallel_tool_calls": {"type": "boolean"},
  "enable_thinking": {"type": "boolean"},
  "thinking_budget": {"type": "integer", "minimum": 0, "description": "Tokens of the thought at most"},
  "chat_template_kwargs": {"type": "object", "description": "enable_thinking and thinking_budget"},
  "add_generation_prompt": {"type": "boolean"},
  "continue_final_message": {"type": "boolean"}}},
"CompletionRequest": {"type": "object", "additionalProperties": false, "required": ["prompt"],
  "x-include": ["Generation"], "properties": {
  "prompt": {"description": "A text, a list of texts, token ids, or a list of lists of token ids; at most 128",
    "anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}]},
  "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
  "echo": {"type": "boolean", "description": "The prompt first, with its log-probabilities if logprobs is set"},
  "tools": {"type": "array", "maxItems": 0},
  "tool_choice": {"enum": ["none", "auto"]},
  "parallel_tool_calls": {"type": "boolean"}}},
"ClassifyRequest": {"type": "object", "additionalProperties": false, "properties": {
  "model": {"type": "string"},
  "task": {"type": "string", "description": "Default: --task"},
  "labels": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 64}],
    "description": "Instead of a task"},
  "text": {"type": "string"},
  "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 256,
    "description": "Instead of text"}}},
"TaskReply": {"type": "object", "x-include": ["Sampling"], "properties": {
  "model": {"type": "string"},
  "session": {"type": "string"},
  "max_tokens": {"type": "integer", "minimum": 1}}},
"AnalyzeRequest": {"type": "object", "additionalProperties": false, "x-include": ["TaskReply"], "properties": {
  "text": {"type": "string"},
  "task": {"type": ["string", "null"], "description": "Labels the text; null: no label"},
  "reply": {"type": ["string", "null"], "description": "A task of kind generate; null: no reply"},
  "messages": {"type": "array", "items": {"$ref": "#/components/schemas/Message"},
    "description": "The conversation before the text, instead of a session"},
  "history": {"type": "boolean", "description": "false: without the session's turns"},
  "regenerate": {"type": "boolean", "description": "Answers the session's last message again"},
  "system": {"type": "string", "description": "Replaces the reply task's system prompt"},
  "partial": {"type": "string", "description": "The reply so far, which the model continues"},
  "think": {"type": "boolean"},
  "thinking_budget": {"type": "integer", "minimum": 0, "description": "Tokens of the thought at most"}}},
"ChatRequest": {"type": "object", "additionalProperties": false, "required": ["prompt"],
  "x-include": ["TaskReply"], "properties": {
  "prompt": {"type": "string", "minLength": 1},
  "history": {"description": "false, or a list of [user, assistant] pairs or of messages",
    "type": ["boolean", "array"]}}},
"EmbeddingsRequest": {"type": "object", "additionalProperties": false, "required": ["input"], "properties": {
  "input": {"description": "A text, a list of texts, token ids, or a list of lists of ids", "type": ["string", "array"]},
  "dimensions": {"type": "integer", "minimum": 1}, "encoding_format": {"enum": ["float", "base64"]},
  "instruction": {"type": "string"}, "normalize": {"type": "boolean"}, "truncate": {"type": "boolean"},
  "model": {"type": "string"}, "user": {"type": "string"}}},
"RerankRequest": {"type": "object", "additionalProperties": false, "required": ["query", "documents"], "properties": {
  "query": {"type": "string"}, "top_n": {"type": "integer", "minimum": 1}, "return_documents": {"type": "boolean"},
  "documents": {"type": "array", "description": "Texts, or {\"text\"} objects", "items": {"type": ["string", "object"]}},
  "instruction": {"type": "string"}, "truncate": {"type": "boolean"}, "model": {"type": "string"},
  "user": {"type": "string"}}},
"OllamaEmbedRequest": {"type": "object", "additionalProperties": false, "required": ["model", "input"], "properties": {
  "model": {"type": "string"}, "input": {"type": ["string", "array"]}, "truncate": {"type": "boolean"},
  "dimensions": {"type": "integer", "minimum": 0}, "keep_alive": {}, "options": {"type": "object"}}},
"OllamaEmbeddingsRequest": {"type": "object", "additionalProperties": false, "required": ["model"], "properties": {
  "model": {"type": "string"}, "prompt": {"type": "string"}, "keep_alive": {}, "options": {"type": "object"}}},
"TokenizeRequest": {"type": "object", "additionalProperties": false, "required": ["text"], "properties": {
  "model": {"type": "string"},
  "text": {"type": "string"},
  "special": {"type": "boolean", "description": "Control tokens in the text are parsed"}}},
"DetokenizeRequest": {"type": "object", "additionalProperties": false, "required": ["tokens"], "properties": {
  "model": {"type": "string"},
  "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0}}}},
"OllamaOptions": {"type": "object", "additionalProperties": false, "x-include": ["Sampling"], "properties": {
  "num_predict": {"type": "integer", "minimum": -2, "description": "-1 and -2: as many as the context holds"},
  "stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 16}]}}},
"OllamaReplyRequest": {"type": "object", "properties": {
  "model": {"type": "string"},
  "stream": {"type": "boolean", "description": "Default: true"},
  "options": {"$ref": "#/components/schemas/OllamaOptions"},
  "format": {"description": "json, or a schema of the answer"},
  "think": {"type": "boolean"}}},
"OllamaChatRequest": {"type": "object", "additionalProperties": false, "required": ["model"],
  "x-include": ["OllamaReplyRequest"], "properties": {
  "tools": {"type": "array", "maxItems": 128, "items": {"type": "object"}},
  "messages": {"type": "array", "items": {"type": "object"}}}},
"OllamaGenerateRequest": {"type": "object", "additionalProperties": false, "required": ["model"],
  "x-include": ["OllamaReplyRequest"], "properties": {
  "prompt": {"type": "string"},
  "system": {"type": "string"},
  "tools": {"type": "array", "maxItems": 0},
  "raw": {"type": "boolean", "description": "The prompt without the chat template"}}},
"OllamaShowRequest": {"type": "object", "additionalProperties": false, "properties": {
  "model": {"type": "string"},
  "name": {"type": "string", "description": "model"}}}
})json";

const char* const kAnswerSchemas = R"json({
"Error": {"type": "object", "additionalProperties": false, "required": ["error"], "properties": {
  "error": {"type": "object", "additionalProperties": false, "required": ["message", "type", "param", "code"],
    "properties": {"message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]},
      "code": {"type": "string"}}}}},
"OllamaError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
"Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens"], "properties": {
  "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
  "prompt_tokens_details": {"type": "object", "properties": {"cached_tokens": {"type": "integer"}}}}},
"Timings": {"type": "object", "properties": {
  "queue_ms": {"type": "number"}, "ttft_ms": {"type": "number"}, "total_ms": {"type": "number"},
  "tokens_per_second": {"type": ["number", "null"]}}},
"ChatCompletion": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
  "properties": {
  "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"},
  "model": {"type": "string"},
  "choices": {"type": "array", "items": {"type": "object", "required": ["index", "message", "finish_reason"],
    "properties": {"index": {"type": "integer"}, "message": {"type": "object", "required": ["role", "content"],
      "properties": {"role": {"const": "assistant"}, "content": {"type": ["string", "null"]},
        "reasoning_content": {"type": "string"}, "tool_calls": {"type": "array"}}},
      "logprobs": {"type": ["object", "null"]},
      "finish_reason": {"enum": ["stop", "length", "tool_calls"]}}}},
  "usage": {"$ref": "#/components/schemas/Usage"}, "timings": {"$ref": "#/components/schemas/Timings"}}},
"Completion": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
  "properties": {
  "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"},
  "model": {"type": "string"},
  "choices": {"type": "array", "items": {"type": "object", "required": ["index", "text", "finish_reason"],
    "properties": {"index": {"type": "integer"}, "text": {"type": "string"}, "logprobs": {"type": ["object", "null"]},
      "finish_reason": {"enum": ["stop", "length"]}}}},
  "usage": {"$ref": "#/components/schemas/Usage"}, "timings": {"$ref": "#/components/schemas/Timings"}}},
"Label": {"type": "object", "properties": {
  "label": {"type": "string"}, "display": {"type": "string"}, "emoji": {"type": "string"},
  "probability": {"type": "number", "minimum": 0, "maximum": 1}, "probabilities": {"type": "object"},
  "margin": {"type": "number"}, "abstained": {"type": "boolean"}, "truncated_tokens": {"type": "integer"},
  "cached": {"type": "boolean"}, "ms": {"type": "number"}}},
"Classification": {"type": "object", "x-include": ["Label"], "required": ["object", "model", "task", "usage"],
  "properties": {"object": {"const": "classification"}, "model": {"type": "string"},
  "task": {"type": ["string", "null"]},
  "results": {"type": "array", "items": {"$ref": "#/components/schemas/Label"}, "description": "If texts were sent"},
  "usage": {"$ref": "#/components/schemas/Usage"}, "timings": {"$ref": "#/components/schemas/Timings"}}},
"Embeddings": {"type": "object", "required": ["object", "data", "model", "usage"], "properties": {
  "object": {"const": "list"}, "model": {"type": "string"}, "usage": {"type": "object"},
  "data": {"type": "array", "items": {"type": "object", "required": ["object", "index", "embedding"], "properties": {
    "object": {"const": "embedding"}, "index": {"type": "integer"}, "embedding": {"type": ["array", "string"]}}}}}},
"Rerank": {"type": "object", "required": ["id", "model", "results", "usage"], "properties": {
  "id": {"type": "string"}, "model": {"type": "string"}, "usage": {"type": "object"},
  "results": {"type": "array", "items": {"type": "object", "required": ["index", "relevance_score"], "properties": {
    "index": {"type": "integer"}, "relevance_score": {"type": "number"}, "document": {"type": "object"}}}}}},
"OllamaEmbeddings": {"type": "object", "required": ["model", "embeddings", "prompt_eval_count"], "properties": {
  "model": {"type": "string"}, "prompt_eval_count": {"type": "integer"}, "total_duration": {"type": "integer"},
  "load_duration": {"type": "integer"},
  "embeddings": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}}},
"OllamaEmbedding": {"type": "object", "required": ["embedding"], "properties": {
  "embedding": {"type": "array", "items": {"type": "number"}}}},
"Tokens": {"type": "object", "required": ["tokens", "count"], "properties": {
  "tokens": {"type": "array", "items": {"type": "integer"}}, "count": {"type": "integer"}}},
"Text": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
"Prompt": {"type": "object", "required": ["prompt", "tokens"], "properties": {
  "prompt": {"type": "string"}, "tokens": {"type": "array", "items": {"type": "integer"}}}},
"Model": {"type": "object", "required": ["id", "object", "created", "owned_by", "meta"], "properties": {
  "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
  "owned_by": {"type": "string"}, "meta": {"type": "object"}}},
"ModelList": {"type": "object", "required": ["object", "data"], "properties": {
  "object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}},
"Health": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
"Ready": {"type": "object", "required": ["status", "requests", "places"], "properties": {
  "status": {"const": "ready"}, "requests": {"type": "integer"}, "places": {"type": "integer"}}},
"Info": {"type": "object", "required": ["name", "version", "model", "context", "tasks", "defaults", "limits"],
  "properties": {"name": {"type": "string"}, "version": {"type": "string"}, "model": {"type": "string"},
  "context": {"type": "integer"}, "parallel": {"type": "integer"},
  "tasks": {"type": "array", "items": {"type": "object"}}, "defaults": {"type": "object"},
  "limits": {"type": "object"}, "auth": {"type": "boolean"}, "builtin": {"type": "boolean"},
  "thinking": {"type": "boolean"}}},
"Session": {"type": "object", "required": ["id", "turns", "expires_in_s"], "properties": {
  "id": {"type": "string"}, "turns": {"type": "array", "items": {"type": "object", "required": ["user", "assistant"],
    "properties": {"user": {"type": "string"}, "assistant": {"type": "string"}, "sentiment": {"type": "object"}}}},
  "expires_in_s": {"type": "number"}}},
"OllamaVersion": {"type": "object", "required": ["version"], "properties": {"version": {"type": "string"}}},
"OllamaModels": {"type": "object", "required": ["models"], "properties": {
  "models": {"type": "array", "items": {"type": "object", "required": ["name", "model", "size", "digest", "details"],
    "properties": {"name": {"type": "string"}, "model": {"type": "string"}, "size": {"type": "integer"},
      "digest": {"type": "string"}, "details": {"type": "object"}}}}}},
"OllamaModel": {"type": "object", "required": ["details", "model_info", "capabilities"], "properties": {
  "template": {"type": "string"}, "details": {"type": "object"}, "model_info": {"type": "object"},
  "capabilities": {"type": "array", "items": {"type": "string"}}}},
"OllamaReply": {"type": "object", "required": ["model", "created_at", "done"], "properties": {
  "model": {"type": "string"}, "created_at": {"type": "string"}, "done": {"type": "boolean"},
  "done_reason": {"type": "string"}, "total_duration": {"type": "integer"}, "eval_count": {"type": "integer"},
  "prompt_eval_count": {"type": "integer"}}},
"OllamaChatReply": {"type": "object", "x-include": ["OllamaReply"], "required": ["model", "message", "done"],
  "properties": {"message": {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"const": "assistant"}, "content": {"type": "string"}, "thinking": {"type": "string"},
    "tool_calls": {"type": "array"}}}}},
"OllamaGenerateReply": {"type": "object", "x-include": ["OllamaReply"], "required": ["model", "response", "done"],
  "properties": {"response": {"type": "string"}, "thinking": {"type": "string"}}}
})json";

}  // namespace qwen_serve
