// The types whose groups share one half-precision scale (and one for the minima). Each group's own scale is searched
// first; the scales are rounded to small integers; then each group's integers are tried one up and one down.
#include <cstring>

#include "quant/quantize.h"
#include "quant/search.h"

namespace qwen::quant {
namespace {

int clamp_int(float v, int low, int high) {
  const float r = std::nearbyint(v);
  return r < static_cast<float>(low) ? low : r > static_cast<float>(high) ? high : static_cast<int>(r);
}

// Half precision, rounded away from zero if subnormal: steps are large there, and a scale that is rounded down would
// clip the largest weights.
std::uint16_t round_scale_up(float value) {
  const std::uint16_t bits = to_half(value);
  const bool subnormal = (bits & 0x7c00u) == 0;
  return subnormal && std::fabs(f16_to_f32(bits)) < std::fabs(value) ? static_cast<std::uint16_t>(bits + 1)
                                                                     : bits;
}

// Groups with a scale: x ~ (d * s) * grid.

template <class Grid, int group, int s_low, int s_high>
struct ScaledGroups {
  static constexpr int kGroups = 256 / group;
  std::uint16_t d = 0;
  int s[kGroups] = {};
  std::uint8_t codes[256];

  ScaledGroups(const float* x, int steps, float stride) {
    float scale[kGroups];
    float most = 0;
    for (int g = 0; g < kGroups; ++g) {
      scale[g] = search_scale<Grid, group>(x + g * group, steps, stride);
      if (std::fabs(scale[g]) > std::fabs(most)) most = scale[g];
    }
    d = round_scale_up(most / static_cast<float>(s_low));
    const float unit = f16_to_f32(d);
    for (int g = 0; g < kGroups; ++g) {
      const float* xg = x + g * group;
      if (unit != 0) s[g] = best_near(xg, unit, clamp_int(scale[g] / unit, s_low, s_high));
      encode_group<Grid, group>(xg, unit * static_cast<float>(s[g]), 0, codes + g * group);
    }
  }

  static int best_near(const float* xg, float unit, int start) {
    int best = start;
    float least = HUGE_VALF;
    for (int at = start - 1; at <= start + 1; ++at) {
      if (at < s_low || at > s_high) continue;
      const float error = scale_error<Grid, group>(xg, unit * static_cast<float>(at));
      if (error < least) {
        least = error;
        best = at;
      }
    }
    return best;
  }
};

// Groups with a scale and a minimum: x ~ (d * s) * q - dmin * t.

template <int top, int group, int s_top>
struct LineGroups {
  static constexpr int kGroups = 256 / group;
  std::uint16_t d = 0, dmin = 0;
  int s[kGroups] = {}, t[kGroups] = {};
  std::uint8_t codes[256];

  LineGroups(const float* x, int steps, float stride) {
    AffineFit fits[kGroups];
    float most_scale = 0, most_min = 0;
    for (int g = 0; g < kGroups; ++g) {
      fits[g] = search_affine<top, group>(x + g * group, true, steps, stride);
      if (fits[g].scale > most_scale) most_scale = fits[g].scale;
      if (-fits[g].offset > most_min) most_min = -fits[g].offset;
    }
    d = round_scale_up(most_scale / s_top);
    dmin = round_scale_up(most_min / s_top);
    const float unit = f16_to_f32(d), min_unit = f16_to_f32(dmin);
    for (int g = 0; g < kGroups; ++g) {
      const float* xg = x + g * group;
      choose(xg, unit, min_unit, fits[g], s[g], t[g]);
      encode_group<IntegerGrid<0, top>, group>(xg, unit * static_cast<float>(s[g]),
                                               -(min_unit * static_cast<float>(t[g])), codes + g * group);
    }
  }

  static void choose(const float* xg, float unit, float min_unit, const AffineFit& fit, int& s, int& t) {
    const int s0 = unit != 0 ? clamp_int(fit.scale / unit, 0, s_top) : 0;
    const int t0 = min_unit != 0 ? clamp_int(-fit.offset / min_unit, 0, s_top) : 0;
    float least = HUGE_VALF;
    for (int ti = t0 - 1; ti <= t0 + 1; ++ti) {
      if (ti < 0 || ti > s_top) continue;
      for (int si = s0 - 1; si <= s0 + 1; ++si) {
        if (si < 0 || si > s_top) continue;
        const float error =
            affine_error<top, group>(xg, unit * static_cast<float>(si), -(min_unit * static_cast<float>(ti)));
        if (error < least) {
          least = error;
          s = si;
          t = ti;
        }
      }
    }
  }
};

// Two bits a weight: weight i at bits 2 * (i / 32 % 4) of qs[i / 128 * 32 + i % 32].
void pack_pairs(const std::uint8_t codes[256], int shift, std::uint8_t qs[64]) {
  std::memset(qs, 0, 64);
  for (int line = 0; line < 8; ++line)
    for (int i = 0; i < 32; ++i) {
      std::uint8_t& to = qs[line / 4 * 32 + i];
      to = static_cast<std::uint8_t>(to | ((codes[32 * line + i] >> shift) & 3) << (2 * (line % 4)));
    }
}

// One bit a weight: bit i / 32 of bits[i % 32].
void pack_bits(const std::uint8_t codes[256], int shift, std::uint8_t bits[32]) {
  std::memset(bits, 0, 32);
  for (int line = 0; line < 8; ++line)
    for (int i = 0; i < 32; ++i)
      bits[i] = static_cast<std::uint8_t>(bits[i] | ((codes[32 * line + i] >> shift) & 1) << line);
}

// Low four bits as in Q4_K: two lines of 32 weights share 32 bytes.
void pack_line_nibbles(const std::uint8_t codes[256], std::uint8_t qs[128]) {
  for (int pair = 0; pair < 4; ++pair)
    for (int i = 0; i < 32; ++i)
      qs[32 * pair + i] =
          static_cast<std::uint8_t>((codes[64 * pair + i] & 15) | (codes[64 * pair + 32 + i] & 15) << 4);
}

// The inverse of k4_scale_min.
void pack_k4_scales(const int s[8], const int t[8], std::uint8_t scales[12]) {
  for (int g = 0; g < 4; ++g) {
    scales[g] = static_cast<std::uint8_t>(s[g] | s[g + 4] >> 4 << 6);
    scales[g + 4] = static_cast<std::uint8_t>(t[g] | t[g + 4] >> 4 << 6);
    scales[g + 8] = static_cast<std::uint8_t>((s[g + 4] & 15) | (t[g + 4] & 15) << 4);
  }
}

}  // namespace

void quantize_block(const float x[256], BlockQ2_K& block) {
  const LineGroups<3, 16, 15> groups(x, 5, 0.1f);
  block.d = groups.d;
  block.dmin = groups.dmin;
  for (int g = 0; g < 16; ++g) block.scales[g] = static_cast<std::uint8_t>(groups.s[g] | groups.t[g] << 4);
  pack_pairs(groups.codes, 0, block.qs);
}

void quantize_block(const float x[256], BlockQ3_K& block) {
  const ScaledGroups<IntegerGrid<-4, 3>, 16, -32, 31> groups(x, 7, 0.15f);
  block.d = groups.d;
  std::memset(block.scales, 0, sizeof block.scales);
  for (int g = 0; g < 16; ++g) {
    const int code = groups.s[g] + 32;
    block.scales[g % 8] = static_cast<std::uint8_t>(block.scales[g % 8] | (code & 15) << (g < 8 ? 0 : 4));
    block.scales[8 + g % 4] = static_cast<std::uint8_t>(block.scales[8 + g % 4] | code >> 4 << (2 * (g / 4)));
  }
  pack_pairs(groups.codes, 0, block.qs);
  pack_bits(groups.codes, 2, block.hmask);
}

void quantize_block(const float x[256], BlockQ4_K& block) {
  const LineGroups<15, 32, 63> groups(x, 5, 0.3f);
  block.d = groups.d;
  block.dmin = groups.dmin;
  pack_k4_scales(groups.s, groups.t, block.scales);
  pack_line_nibbles(groups.codes, block.qs);
}

void quantize_block(const float x[256], BlockQ5_K& block) {
  const LineGroups<31, 32, 63> groups(x, 5, 0.3f);
  block.d = groups.d;
  block.dmin = groups.dmin;
  pack_k4_scales(groups.s, groups.t, block.scales);
  pack_line_nibbles(groups.codes, block.qs);
  pack_bits(groups.codes, 4, block.qh);
}

void quantize_block(const float x[256], BlockQ6_K& block) {
  const ScaledGroups<IntegerGrid<-32, 31>, 16, -128, 127> groups(x, 7, 0.25f);
  block.d = groups.d;
  for (int g = 0; g < 16; ++g) block.scales[g] = static_cast<std::int8_t>(groups.s[g]);
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 64; ++i) {
      const std::uint8_t* codes = groups.codes + 128 * half;
      block.ql[64 * half + i] = static_cast<std::uint8_t>((codes[i] & 15) | (codes[64 + i] & 15) << 4);
    }
  pack_pairs(groups.codes, 4, block.qh);
}

void quantize_block(const float x[256], BlockIQ4_XS& block) {
  const ScaledGroups<Iq4Grid, 32, -32, 31> groups(x, 7, 4.0f);
  block.d = groups.d;
  block.scales_h = 0;
  std::memset(block.scales_l, 0, sizeof block.scales_l);
  for (int g = 0; g < 8; ++g) {
    const int code = groups.s[g] + 32;
    block.scales_h = static_cast<std::uint16_t>(block.scales_h | code >> 4 << (2 * g));
    block.scales_l[g / 2] = static_cast<std::uint8_t>(block.scales_l[g / 2] | (code & 15) << (4 * (g % 2)));
    pack_nibbles(groups.codes + 32 * g, block.qs + 16 * g);
  }
}

}  // namespace qwen::quant
