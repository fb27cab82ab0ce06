// Half precision and bfloat16, every value of both.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"

using namespace qwen;

namespace {

// The value of a half by its definition.
double half_value(int bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

std::uint16_t half_of(double x) {
  return f32_to_f16(static_cast<float>(x));
}

}  // namespace

TEST_CASE("every half has its value and comes back", "[base]") {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float x = f16_to_f32(static_cast<std::uint16_t>(bits));
    const bool special = (bits >> 10 & 31) == 31;
    if (special && (bits & 1023) != 0) {
      if (!std::isnan(x) || (f32_to_f16(x) & 0x7C00) != 0x7C00 || (f32_to_f16(x) & 0x3FF) == 0)
        FAIL("NaN " << bits);
      continue;
    }
    if (special ? !std::isinf(x) : static_cast<double>(x) != half_value(bits))
      FAIL("half " << bits << " gave " << x);
    if (std::signbit(x) != ((bits & 0x8000) != 0)) FAIL("sign of half " << bits);
    if (f32_to_f16(x) != bits) FAIL("half " << bits << " came back as " << f32_to_f16(x));
  }
  SUCCEED();
}

TEST_CASE("floats between two halves go to the nearer, ties to the even one", "[base]") {
  for (int bits = 0; bits < 0x7BFF; ++bits) {
    const double low = half_value(bits), high = half_value(bits + 1), middle = (low + high) / 2;
    const auto even = static_cast<std::uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    const float tie = static_cast<float>(middle);  // exact: one bit more than a half
    if (half_of(middle) != even) FAIL("tie above " << bits);
    if (f32_to_f16(std::nextafter(tie, 0.0f)) != bits) FAIL("below the tie above " << bits);
    if (f32_to_f16(std::nextafter(tie, 1e9f)) != bits + 1) FAIL("above the tie above " << bits);
    if (f32_to_f16(-tie) != (even | 0x8000)) FAIL("negative tie above " << bits);
  }
  CHECK(half_of(65504) == 0x7BFF);
  CHECK(f32_to_f16(std::nextafter(65520.0f, 0.0f)) == 0x7BFF);
  CHECK(half_of(65520) == 0x7C00);
  CHECK(half_of(1e30) == 0x7C00);
  CHECK(half_of(-1e30) == 0xFC00);
  CHECK(f32_to_f16(std::numeric_limits<float>::infinity()) == 0x7C00);
  CHECK(half_of(0x1p-25) == 0);  // a tie between 0 and the smallest
  CHECK(f32_to_f16(std::nextafter(0x1p-25f, 1.0f)) == 1);
  CHECK(f32_to_f16(1.4e-45f) == 0);
  CHECK(f32_to_f16(-1.4e-45f) == 0x8000);
  CHECK((f32_to_f16(std::numeric_limits<float>::quiet_NaN()) & 0x7C00) == 0x7C00);
}

TEST_CASE("bfloat16 is the upper half of a float, rounded to even", "[base]") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float x = bf16_to_f32(static_cast<std::uint16_t>(bits));
    if (std::bit_cast<std::uint32_t>(x) != bits << 16) FAIL("bf16 " << bits);
    if (!std::isnan(x) && f32_to_bf16(x) != bits) FAIL("bf16 " << bits << " came back as " << f32_to_bf16(x));
    if (std::isnan(x) && !std::isnan(bf16_to_f32(f32_to_bf16(x)))) FAIL("NaN " << bits);
    if ((bits & 0x7FFF) >= 0x7F80) continue;
    const auto with = [&](std::uint32_t low) { return f32_to_bf16(std::bit_cast<float>(bits << 16 | low)); };
    if (with(0x7FFF) != bits || with(0x8001) != bits + 1 || with(0x8000) != bits + bits % 2)
      FAIL("rounding of " << bits);
  }
  // A NaN whose upper half alone would be an infinity stays a NaN.
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7F800001u)))));
}
