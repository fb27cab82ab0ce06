// Constraints on replies.
#include "capi/boundary.h"

using namespace qwen;
using namespace qwen::capi;

extern "C" {

std::int32_t qwen_constraint_json_object(qwen_constraint** constraint, qwen_error* error) {
  return create(constraint, error, [] { return Constraint::json_object(); });
}

std::int32_t qwen_constraint_json_schema(const char* schema, qwen_constraint** constraint,
                                         qwen_error* error) {
  return create(constraint, error,
                [&] { return Constraint::json_schema(&require_not_null(schema, "schema")); });
}

std::int32_t qwen_constraint_regex(const char* pattern, qwen_constraint** constraint, qwen_error* error) {
  return create(constraint, error, [&] { return Constraint::regex(&require_not_null(pattern, "pattern")); });
}

std::int32_t qwen_constraint_choice(const char* const* choices, std::size_t count,
                                    qwen_constraint** constraint, qwen_error* error) {
  return create(constraint, error, [&] { return Constraint::choice(texts_of(choices, count, "choices")); });
}

std::int32_t qwen_constraint_accepts(const qwen_constraint* constraint, const char* text,
                                     std::size_t length) {
  if (constraint == nullptr || (text == nullptr && length > 0)) return 0;
  try {
    return constraint->constraint.accepts({text, length}) ? 1 : 0;
  } catch (...) {  // no memory
    return 0;
  }
}

void qwen_constraint_free(qwen_constraint* constraint) {
  delete constraint;
}

}  // extern "C"
