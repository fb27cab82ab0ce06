// Internal to quantize*.cpp: one super-block at a time.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/fail.h"
#include "base/half.h"
#include "quant/blocks.h"

namespace qwen::quant {

void quantize_block(const float x[256], BlockQ2_K& block);
void quantize_block(const float x[256], BlockQ3_K& block);
void quantize_block(const float x[256], BlockQ4_K& block);
void quantize_block(const float x[256], BlockQ5_K& block);
void quantize_block(const float x[256], BlockQ6_K& block);
void quantize_block(const float x[256], BlockIQ4_XS& block);

// `value` in half precision. Throws bad_format if it is too large.
inline std::uint16_t to_half(float value) {
  const std::uint16_t bits = f32_to_f16(value);
  if ((bits & 0x7c00u) == 0x7c00u)
    fail(ErrorCode::bad_format, "the scale ", value, " does not fit half precision");
  return bits;
}

// Weight i < 16 goes to the low half of qs[i], weight i + 16 to the high half.
inline void pack_nibbles(const std::uint8_t codes[32], std::uint8_t qs[16]) {
  for (int i = 0; i < 16; ++i) qs[i] = static_cast<std::uint8_t>((codes[i] & 15) | codes[i + 16] << 4);
}

}  // namespace qwen::quant
