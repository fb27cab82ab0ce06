// Overflow-checked sizes, for every product and sum of numbers that come from files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/fail.h"

namespace qwen {

inline std::size_t checked_mul(std::size_t a, std::size_t b, std::string_view what) {
  std::size_t result;
  if (__builtin_mul_overflow(a, b, &result))
    fail(ErrorCode::bad_format, what, ": ", a, " x ", b, " is too large");
  return result;
}

inline std::size_t checked_add(std::size_t a, std::size_t b, std::string_view what) {
  std::size_t result;
  if (__builtin_add_overflow(a, b, &result))
    fail(ErrorCode::bad_format, what, ": ", a, " + ", b, " is too large");
  return result;
}

// `n` as an int in [low, high], else a bad_format error that names `what`.
inline int checked_int(std::uint64_t n, int low, int high, std::string_view what) {
  if (n > static_cast<std::uint64_t>(high) || static_cast<int>(n) < low)
    fail(ErrorCode::bad_format, what, ": expected ", low, " to ", high, ", found ", n);
  return static_cast<int>(n);
}

inline constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}
inline constexpr int ceil_div(int a, int b) {
  return (a + b - 1) / b;
}

}  // namespace qwen
