// Errors as OpenAI's clients read them: a status and {"error": {"message", "type", "param", "code"}}.
#pragma once
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "common/output.h"
#include "qwen/error.h"

namespace qwen_serve {

using tools::Json;

// What a request is answered with instead of a result.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, std::string code, const std::string& message, std::string param = {})
      : std::runtime_error(message),
        status(status),
        code(std::move(code)),
        param(std::move(param)),
        retry_after_seconds(status == 503 ? 5 : 0) {}

  int status;
  std::string code;         // for programs: "unknown_field", "queue_full", ...
  std::string param;        // the field at fault, "" for none
  int retry_after_seconds;  // > 0: the header Retry-After

  Json body() const;
};

// 400 for a field that is missing, of a wrong type, out of range or not known.
ApiError bad_field(const std::string& param, const std::string& message, const char* code = "invalid_value");
// What an error of the library means to a client.
ApiError to_api_error(const qwen::Error& error);
// The exception being handled, as an ApiError. Anything unforeseen is 500, and a line on stderr.
ApiError current_api_error() noexcept;

}  // namespace qwen_serve
