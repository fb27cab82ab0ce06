// The version of these headers; qwen::version() and qwen_version() return the version of the linked library.
// For C and C++; CMake reads it here.
#ifndef QWEN_VERSION_H
#define QWEN_VERSION_H

// Changes that old programs do not compile with, or that mean something else to them.
#define QWEN_VERSION_MAJOR 0
// New things. While the major version is 0, also changes that break old programs.
#define QWEN_VERSION_MINOR 1
// Repairs.
#define QWEN_VERSION_PATCH 0
// All three as text.
#define QWEN_VERSION "0.1.0"

#ifdef __cplusplus
#include "qwen/export.h"

namespace qwen {

// The version of the linked library: "0.1.0".
QWEN_API const char* version() noexcept;

}  // namespace qwen
#endif

#endif
