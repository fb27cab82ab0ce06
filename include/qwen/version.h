// The version of these headers; qwen::version() and qwen_version() return the version of the linked library.
// For C and C++. CMake reads the version from this file.
#ifndef QWEN_VERSION_H
#define QWEN_VERSION_H

// Incremented for incompatible changes.
#define QWEN_VERSION_MAJOR 0
// Incremented for additions and, while the major version is 0, for incompatible changes.
#define QWEN_VERSION_MINOR 1
// Incremented for fixes.
#define QWEN_VERSION_PATCH 0
// The three numbers as text.
#define QWEN_VERSION "0.1.0"

#ifdef __cplusplus
#include "qwen/export.h"

namespace qwen {

// The version of the linked library: "0.1.0".
QWEN_API const char* version() noexcept;

}  // namespace qwen
#endif

#endif
