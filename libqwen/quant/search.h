// The searches for the scale of a group of weights, for quantize.cpp and quantize_super.cpp.
//
// Every search minimizes the sum of squared errors. It tries several scales, rounds the weights with each, and
// computes the least-squares scale (and offset) of each rounding. Groups have 16 or 32 weights. The loops are
// written over vectors of four lanes because the compiler must not reorder float sums.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "quant/blocks.h"

namespace qwen::quant {

using Lanes = float __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;
// Below this no scale of half precision is nonzero: the group is all zeros.
inline constexpr float kVanishing = 1e-12f;

inline Lanes load(const float* from) {
  Lanes v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline void store(float* to, Lanes v) {
  std::memcpy(to, &v, sizeof v);
}
inline Lanes splat(float x) {
  return Lanes{x, x, x, x};
}
inline float sum(Lanes v) {
  return (v[0] + v[2]) + (v[1] + v[3]);
}
#ifdef __SSE__  // GCC compiles the portable form to four instructions
inline Lanes min(Lanes a, Lanes b) {
  return _mm_min_ps(a, b);
}
inline Lanes max(Lanes a, Lanes b) {
  return _mm_max_ps(a, b);
}
#else
inline Lanes min(Lanes a, Lanes b) {
  return a < b ? a : b;
}
inline Lanes max(Lanes a, Lanes b) {
  return a > b ? a : b;
}
#endif
// To the nearest integer, ties to even, for |v| below 2^22: the last bit of v + magic is worth 1.
inline Lanes round_lanes(Lanes v) {
  const Lanes magic = splat(12582912.0f);
  return (v + magic) - magic;
}

// Grids: the values that the codes of a block stand for.

// The integers low..high.
template <int low, int high>
struct IntegerGrid {
  static constexpr float kEdge = -low;  // magnitude of the value farthest from zero, which is negative
  static Lanes nearest(Lanes v) { return round_lanes(min(max(v, splat(low)), splat(high))); }
  // The code that the block stores: counted from zero.
  static Lanes code(Lanes v) { return nearest(v) - splat(low); }
};

// The 16 values of IQ4_NL.
struct Iq4Grid {
  static constexpr float kEdge = 127;
  static Lanes nearest(Lanes v) {
    Lanes value = splat(kIq4Values[0]);
    for (int i = 1; i < 16; ++i) {
      const float middle = 0.5f * static_cast<float>(kIq4Values[i - 1] + kIq4Values[i]);
      const float step = static_cast<float>(kIq4Values[i] - kIq4Values[i - 1]);
      value += v > splat(middle) ? splat(step) : splat(0);
    }
    return value;
  }
  static Lanes code(Lanes v) {
    Lanes index = splat(0);
    for (int i = 1; i < 16; ++i) {
      const float middle = 0.5f * static_cast<float>(kIq4Values[i - 1] + kIq4Values[i]);
      index += v > splat(middle) ? splat(1) : splat(0);
    }
    return index;
  }
};

// The codes of x ~ scale * grid + offset.
template <class Grid, int n>
void encode_group(const float* x, float scale, float offset, std::uint8_t* codes) {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  for (int i = 0; i < n; i += kLanes) {
    const Lanes code = Grid::code((load(x + i) - splat(offset)) * splat(inverse));
    for (int j = 0; j < kLanes; ++j) codes[i + j] = static_cast<std::uint8_t>(code[j]);
  }
}

// The weight of largest magnitude, with its sign.
template <int n>
float max_abs(const float* x) {
  Lanes high = load(x), low = high;
  for (int i = kLanes; i < n; i += kLanes) {
    high = max(high, load(x + i));
    low = min(low, load(x + i));
  }
  float top = high[0], bottom = low[0];
  for (int i = 1; i < kLanes; ++i) {
    top = top > high[i] ? top : high[i];
    bottom = bottom < low[i] ? bottom : low[i];
  }
  return top > -bottom ? top : bottom;
}

// The best scale for the rounding that `inverse` gives, and by how much it reduces the squared error.
struct FitResult {
  float scale = 0;
  float gain = 0;
};

template <class Grid, int n>
FitResult fit_scale(const float* x, float inverse) {
  Lanes xq{}, qq{};
  for (int i = 0; i < n; i += kLanes) {
    const Lanes v = load(x + i);
    const Lanes q = Grid::nearest(v * splat(inverse));
    xq += v * q;
    qq += q * q;
  }
  const float a = sum(xq), b = sum(qq);
  if (b <= 0) return {};
  return {a / b, a * a / b};
}

// Scale (of either sign) for x ~ scale * grid. `steps` candidates on either side of the plain one, which puts
// the largest weight on the grid's edge, `stride` apart.
template <class Grid, int n>
float search_scale(const float* x, int steps, float stride) {
  const float most = max_abs<n>(x);
  if (std::fabs(most) < kVanishing) return 0;
  FitResult best;
  for (int k = -steps; k <= steps; ++k) {
    const FitResult fit = fit_scale<Grid, n>(x, -(Grid::kEdge + static_cast<float>(k) * stride) / most);
    if (fit.gain > best.gain) best = fit;
  }
  for (int again = 0; again < 2 && best.scale != 0; ++again) {
    const FitResult fit = fit_scale<Grid, n>(x, 1.0f / best.scale);
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  return best.scale;
}

// Sum of (x - scale * nearest)^2.
template <class Grid, int n>
float scale_error(const float* x, float scale) {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  Lanes error{};
  for (int i = 0; i < n; i += kLanes) {
    const Lanes v = load(x + i);
    const Lanes d = v - splat(scale) * Grid::nearest(v * splat(inverse));
    error += d * d;
  }
  return sum(error);
}

// x ~ scale * q + offset, q in 0..top.
struct AffineFit {
  float scale = 0;
  float offset = 0;
  float error = 0;
};

struct GroupSums {
  float low = 0, high = 0;  // smallest and largest weight
  float x = 0, xx = 0;      // sums of x and of x * x
};

template <int n>
GroupSums group_sums(const float* x) {
  Lanes low = load(x), high = low, s{}, ss{};
  for (int i = 0; i < n; i += kLanes) {
    const Lanes v = load(x + i);
    low = min(low, v);
    high = max(high, v);
    s += v;
    ss += v * v;
  }
  GroupSums sums{low[0], high[0], sum(s), sum(ss)};
  for (int i = 1; i < kLanes; ++i) {
    sums.low = sums.low < low[i] ? sums.low : low[i];
    sums.high = sums.high > high[i] ? sums.high : high[i];
  }
  return sums;
}

// The best fit for the rounding that (inverse, offset) gives. With `no_positive_offset`, positive offsets become
// zero.
template <int top, int n>
AffineFit fit_affine(const float* x, const GroupSums& sums, float inverse, float offset,
                     bool no_positive_offset) {
  Lanes q1{}, q2{}, xq{};
  for (int i = 0; i < n; i += kLanes) {
    const Lanes v = load(x + i);
    const Lanes q = IntegerGrid<0, top>::nearest((v - splat(offset)) * splat(inverse));
    q1 += q;
    q2 += q * q;
    xq += v * q;
  }
  const float sq = sum(q1), sqq = sum(q2), sxq = sum(xq);
  const float det = static_cast<float>(n) * sqq - sq * sq;
  AffineFit fit;
  if (det > 0) {
    fit.scale = (static_cast<float>(n) * sxq - sums.x * sq) / det;
    fit.offset = (sqq * sums.x - sq * sxq) / det;
  }
  if (det <= 0 || (no_positive_offset && fit.offset > 0)) {
    fit.offset = 0;
    fit.scale = sqq > 0 ? sxq / sqq : 0;
  }
  fit.error = sums.xx + fit.scale * (fit.scale * sqq - 2 * sxq + 2 * fit.offset * sq) +
              fit.offset * (static_cast<float>(n) * fit.offset - 2 * sums.x);
  return fit;
}

// Scale > 0 and offset. Tries `steps` candidates on either side of the one whose grid spans the range of x, `stride`
// grid steps apart.
template <int top, int n>
AffineFit search_affine(const float* x, bool no_positive_offset, int steps, float stride) {
  const GroupSums sums = group_sums<n>(x);
  const float low = no_positive_offset && sums.low > 0 ? 0 : sums.low;
  AffineFit best{0, low, sums.xx};
  if (!(sums.high - low > kVanishing)) return best;
  best.error = HUGE_VALF;
  for (int k = -steps; k <= steps; ++k) {
    const float scale = (sums.high - low) / (top + static_cast<float>(k) * stride);
    const AffineFit fit = fit_affine<top, n>(x, sums, 1.0f / scale, low, no_positive_offset);
    if (fit.scale > 0 && fit.error < best.error) best = fit;
  }
  for (int again = 0; again < 2 && best.scale > 0; ++again) {
    const AffineFit fit = fit_affine<top, n>(x, sums, 1.0f / best.scale, best.offset, no_positive_offset);
    if (!(fit.scale > 0 && fit.error < best.error)) break;
    best = fit;
  }
  return best;
}

// Sum of (x - scale * nearest - offset)^2.
template <int top, int n>
float affine_error(const float* x, float scale, float offset) {
  const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
  Lanes error{};
  for (int i = 0; i < n; i += kLanes) {
    const Lanes v = load(x + i) - splat(offset);
    const Lanes d = v - splat(scale) * IntegerGrid<0, top>::nearest(v * splat(inverse));
    error += d * d;
  }
  return sum(error);
}

}  // namespace qwen::quant
