#include <string_view>

#include "qwen/version.h"

namespace qwen {

#define QWEN_TEXT_OF(value) #value
#define QWEN_DOTTED(major, minor, patch) QWEN_TEXT_OF(major) "." QWEN_TEXT_OF(minor) "." QWEN_TEXT_OF(patch)
static_assert(std::string_view(QWEN_VERSION) ==
              QWEN_DOTTED(QWEN_VERSION_MAJOR, QWEN_VERSION_MINOR, QWEN_VERSION_PATCH));

const char* version() noexcept {
  return QWEN_VERSION;
}

}  // namespace qwen
