// Beginnings that token sequences share.
#pragma once
#include <algorithm>
#include <span>

#include "qwen/tokenizer.h"

namespace qwen::tasks {

inline int common_prefix(std::span<const Token> a, std::span<const Token> b) {
  return static_cast<int>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace qwen::tasks
