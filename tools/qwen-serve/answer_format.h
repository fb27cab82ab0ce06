// What an answer must be: response_format, tools and their other names. Reads and checks these fields.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "qwen-serve/json_fields.h"
#include "qwen-serve/raw_json.h"
#include "qwen/constraint.h"

namespace qwen_serve {

struct AnswerFormat {
  enum class Kind { text, json_object, json_schema, regex, choice, tools } kind = Kind::text;
  std::string source{};                // json_schema: the schema; regex: the pattern
  std::string field{};                 // that it came from, for messages
  std::vector<std::string> choices{};  // choice
  // Functions that the model may call, also if tool_choice is none: the template shows them.
  std::string tools{};  // JSON list, as the client wrote it; "": none
  std::vector<qwen::ToolFunction> functions{};
  qwen::ToolOptions tool_options{};

  // Compiles it; none for plain text. Throws ApiError 400 with the field for what the library refuses.
  std::optional<qwen::Constraint> constraint() const;
  // Two formats of the same key have the same constraint.
  std::string key() const;

 private:
  std::optional<qwen::Constraint> compile() const;
};

// response_format, tools, tool_choice, parallel_tool_calls, and guided_json, guided_regex, guided_choice (vLLM) and
// json_schema (llama.cpp). `raw` is the text of the same object.
AnswerFormat read_answer_format(Fields& fields, RawJson raw);
// Ollama's "format" ("json" or a schema) and "tools".
AnswerFormat read_ollama_format(Fields& fields, RawJson raw);

}  // namespace qwen_serve
