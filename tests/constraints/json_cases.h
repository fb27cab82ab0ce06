// Helpers of the tests of constraints.
#pragma once
#include <string>
#include <vector>

#include "qwen/constraint.h"
#include "qwen/error.h"

namespace qwen::test {

// Error::what() of compiling `schema`, with the code in front; "" if it compiles.
inline std::string schema_error(const std::string& schema) {
  try {
    Constraint::json_schema(schema);
    return "";
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
}

}  // namespace qwen::test
