// The one exception type of the library.
#pragma once
#include <stdexcept>
#include <string>

#include "qwen/export.h"

namespace qwen {

// What kind of failure an Error reports.
enum class ErrorCode {
  invalid_argument,  // an argument is out of range or inconsistent (empty prompt, token id, ...)
  not_found,         // no such file, tensor, metadata key, task or label
  io,                // the operating system refused to read, write or map
  bad_format,        // a file or text is malformed
  unsupported,       // a valid file or option that this build does not implement
  out_of_memory,     // an allocation was refused
  busy,              // the queue is full: try again later
  context_full,      // the tokens do not fit into the context
  cancelled,         // a callback or another thread asked to stop
  internal,          // a fault of the library: please report it
};

// The name of the code as it appears in messages and in JSON, for example "bad_format".
QWEN_API const char* to_string(ErrorCode code) noexcept;

// The exception of every function that can fail. what() is one line: what happened, where, what was expected, what was
// found. The only other exception is std::bad_alloc, for small allocations: treat it as out_of_memory.
class QWEN_API Error : public std::runtime_error {
 public:
  // `message` is what what() returns.
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }  // for programs; what() is for people

 private:
  ErrorCode code_;
};

}  // namespace qwen
