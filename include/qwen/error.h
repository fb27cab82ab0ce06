// The one exception type of the library.
#pragma once
#include <stdexcept>
#include <string>

#include "qwen/export.h"

namespace qwen {

enum class ErrorCode {  // what kind of failure
  invalid_argument,  // the caller asked for something that cannot be (empty prompt, token out of range, ...)
  not_found,         // a file, tensor, metadata key, task or label that does not exist
  io,                // the operating system refused to read, write or map
  bad_format,        // bytes from outside break the rules of their format
  unsupported,       // a valid file or option that this build does not implement
  out_of_memory,     // an allocation was refused
  busy,              // too much is under way already: try again later
  context_full,      // the sequence does not fit into the session's context
  cancelled,         // a callback or another thread asked to stop
  internal,          // a broken promise of the library itself: please report it
};

// The name of the code as it appears in messages and in JSON, for example "bad_format".
QWEN_API const char* to_string(ErrorCode code) noexcept;

// Thrown by every function of the library that can fail. what() is one line for people: what happened, where,
// what was expected, what was found. Only std::bad_alloc may come beside it, where a small allocation is
// refused: treat it as out_of_memory.
class QWEN_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message)
      : std::runtime_error(message), code_(code) {}  // with what() = message
  ErrorCode code() const noexcept { return code_; }  // for programs

 private:
  ErrorCode code_;
};

}  // namespace qwen
