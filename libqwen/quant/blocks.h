// The blocks of every quantized type: their bytes and the meaning of their bits.
//
// The layouts are GGUF's. All numbers are little-endian, `d`, `m` and `dmin` are IEEE half precision. A block
// of the types with one scale holds 32 weights; a block of the "K" types and of IQ4_XS ("super-block") holds
// 256, in groups of 16 or 32 that have an integer scale each.
//
//   type    group  weight
//   Q8_0     32    d * q             q in -128..127
//   Q4_0     32    d * (q - 8)       q in 0..15
//   Q4_1     32    d * q + m         q in 0..15
//   Q5_0     32    d * (q - 16)      q in 0..31
//   Q5_1     32    d * q + m         q in 0..31
//   Q2_K     16    (d * s) * q - (dmin * t)   q in 0..3,  s and t in 0..15
//   Q3_K     16    (d * s) * (q - 4)          q in 0..7,  s in -32..31
//   Q4_K     32    (d * s) * q - (dmin * t)   q in 0..15, s and t in 0..63
//   Q5_K     32    (d * s) * q - (dmin * t)   q in 0..31, s and t in 0..63
//   Q6_K     16    (d * s) * (q - 32)         q in 0..63, s in -128..127
//   IQ4_NL   32    d * kIq4Values[q]          q in 0..15
//   IQ4_XS   32    (d * s) * kIq4Values[q]    q in 0..15, s in -32..31
//
// Each operation above is one float operation, in the order of the parentheses.
#pragma once
#include <bit>
#include <cstdint>

namespace qwen::quant {

static_assert(std::endian::native == std::endian::little, "the blocks are read as they lie in the file");

inline constexpr int kBlock = 32;        // weights in a block of the plain types
inline constexpr int kSuperBlock = 256;  // weights in a block of the K types and IQ4_XS

// The 16 values of IQ4_NL and IQ4_XS: denser near zero, as weights are.
inline constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

struct BlockQ8_0 {
  std::uint16_t d;
  std::int8_t qs[32];  // weight i in qs[i]
};

struct BlockQ4_0 {
  std::uint16_t d;
  std::uint8_t qs[16];  // weight i < 16 in the low half of qs[i], weight i + 16 in the high half
};

struct BlockQ4_1 {
  std::uint16_t d;
  std::uint16_t m;
  std::uint8_t qs[16];  // as in Q4_0
};

struct BlockQ5_0 {
  std::uint16_t d;
  std::uint8_t qh[4];   // the fifth bit of weight i: bit i % 8 of qh[i / 8]
  std::uint8_t qs[16];  // the low four bits, as in Q4_0
};

struct BlockQ5_1 {
  std::uint16_t d;
  std::uint16_t m;
  std::uint8_t qh[4];   // as in Q5_0
  std::uint8_t qs[16];  // as in Q4_0
};

struct BlockQ2_K {
  std::uint8_t scales[16];  // of group g: scale s in the low half, minimum t in the high half
  std::uint8_t qs[64];      // weight i: bits 2 * (i / 32 % 4) and up of qs[i / 128 * 32 + i % 32]
  std::uint16_t d;
  std::uint16_t dmin;
};

struct BlockQ3_K {
  std::uint8_t hmask[32];   // the third bit of weight i: bit i / 32 of hmask[i % 32]
  std::uint8_t qs[64];      // the low two bits, as in Q2_K
  std::uint8_t scales[12];  // 16 scales of six bits: q3_k_scale
  std::uint16_t d;
};

struct BlockQ4_K {
  std::uint16_t d;
  std::uint16_t dmin;
  std::uint8_t scales[12];  // 8 scales and 8 minima of six bits: k4_scale_min
  std::uint8_t qs[128];     // weight i: low (i / 32 even) or high half of qs[i / 64 * 32 + i % 32]
};

struct BlockQ5_K {
  std::uint16_t d;
  std::uint16_t dmin;
  std::uint8_t scales[12];  // as in Q4_K
  std::uint8_t qh[32];      // the fifth bit of weight i: bit i / 32 of qh[i % 32]
  std::uint8_t qs[128];     // the low four bits, as in Q4_K
};

struct BlockQ6_K {
  std::uint8_t
      ql[128];  // low four bits of weight i: low (i / 64 even) or high half of ql[i / 128 * 64 + i % 64]
  std::uint8_t qh[64];     // upper two bits: bits 2 * (i / 32 % 4) and up of qh[i / 128 * 32 + i % 32]
  std::int8_t scales[16];  // of the 16 groups
  std::uint16_t d;
};

struct BlockIQ4_NL {
  std::uint16_t d;
  std::uint8_t qs[16];  // as in Q4_0
};

struct BlockIQ4_XS {
  std::uint16_t d;
  std::uint16_t scales_h;    // upper two bits of scale g: bits 2 * g and up
  std::uint8_t scales_l[4];  // low four bits of scale g: low (g even) or high half of scales_l[g / 2]
  std::uint8_t qs[128];      // group g as in Q4_0: qs[16 * g .. 16 * g + 15]
};

static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24 && sizeof(BlockIQ4_NL) == 18);
static_assert(sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144);
static_assert(sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210 && sizeof(BlockIQ4_XS) == 136);

// Integer scales of the groups.

struct ScaleMin {
  std::uint8_t scale;  // s, 0..63
  std::uint8_t min;    // t, 0..63
};

// Of group g (0..7) of Q4_K and Q5_K. Groups 0..3 have six bits in bytes 0..3 (scales) and 4..7 (minima);
// groups 4..7 their low four bits in bytes 8..11 and the upper two at the top of bytes 0..3 and 4..7.
inline ScaleMin k4_scale_min(const std::uint8_t scales[12], int g) {
  if (g < 4)
    return {static_cast<std::uint8_t>(scales[g] & 63), static_cast<std::uint8_t>(scales[g + 4] & 63)};
  return {static_cast<std::uint8_t>((scales[g + 4] & 15) | (scales[g - 4] >> 6 << 4)),
          static_cast<std::uint8_t>((scales[g + 4] >> 4) | (scales[g] >> 6 << 4))};
}

// Of group g (0..15) of Q3_K, -32..31: low four bits in bytes 0..7 (low halves first), upper two in
// bytes 8..11.
inline int q3_k_scale(const std::uint8_t scales[12], int g) {
  const int low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
  const int high = (scales[8 + g % 4] >> (2 * (g / 4))) & 3;
  return (low | high << 4) - 32;
}

// Of group g (0..7) of IQ4_XS, -32..31.
inline int iq4_xs_scale(const BlockIQ4_XS& block, int g) {
  const int low = (block.scales_l[g / 2] >> (4 * (g % 2))) & 15;
  const int high = (block.scales_h >> (2 * g)) & 3;
  return (low | high << 4) - 32;
}

// Integers of the weights: out[i] is the factor of the scale in the table above, that is q, q - 8, q - 16, q - 4,
// q - 32 or kIq4Values[q].

inline void unpack_nibbles(const std::uint8_t qs[16], std::int8_t out[32]) {
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<std::int8_t>(qs[i] & 15);
    out[i + 16] = static_cast<std::int8_t>(qs[i] >> 4);
  }
}

inline void add_fifth_bits(const std::uint8_t qh[4], std::int8_t out[32]) {
  for (int i = 0; i < 32; ++i) out[i] = static_cast<std::int8_t>(out[i] | ((qh[i / 8] >> (i % 8)) & 1) << 4);
}

inline void unpack(const BlockQ8_0& block, std::int8_t out[32]) {
  for (int i = 0; i < 32; ++i) out[i] = block.qs[i];
}

inline void unpack(const BlockQ4_0& block, std::int8_t out[32]) {
  unpack_nibbles(block.qs, out);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<std::int8_t>(out[i] - 8);
}

inline void unpack(const BlockQ4_1& block, std::int8_t out[32]) {
  unpack_nibbles(block.qs, out);
}

inline void unpack(const BlockQ5_0& block, std::int8_t out[32]) {
  unpack_nibbles(block.qs, out);
  add_fifth_bits(block.qh, out);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<std::int8_t>(out[i] - 16);
}

inline void unpack(const BlockQ5_1& block, std::int8_t out[32]) {
  unpack_nibbles(block.qs, out);
  add_fifth_bits(block.qh, out);
}

inline void unpack(const BlockQ2_K& block, std::int8_t out[256]) {
  for (int line = 0; line < 8; ++line) {  // 32 weights that share a bit position
    const std::uint8_t* qs = block.qs + line / 4 * 32;
    for (int i = 0; i < 32; ++i)
      out[32 * line + i] = static_cast<std::int8_t>((qs[i] >> (2 * (line % 4))) & 3);
  }
}

inline void unpack(const BlockQ3_K& block, std::int8_t out[256]) {
  for (int line = 0; line < 8; ++line) {
    const std::uint8_t* qs = block.qs + line / 4 * 32;
    for (int i = 0; i < 32; ++i) {
      const int low = (qs[i] >> (2 * (line % 4))) & 3;
      const int high = (block.hmask[i] >> line) & 1;
      out[32 * line + i] = static_cast<std::int8_t>((low | high << 2) - 4);
    }
  }
}

inline void unpack(const BlockQ4_K& block, std::int8_t out[256]) {
  for (int line = 0; line < 8; ++line) {
    const std::uint8_t* qs = block.qs + line / 2 * 32;
    for (int i = 0; i < 32; ++i)
      out[32 * line + i] = static_cast<std::int8_t>((qs[i] >> (4 * (line % 2))) & 15);
  }
}

inline void unpack(const BlockQ5_K& block, std::int8_t out[256]) {
  for (int line = 0; line < 8; ++line) {
    const std::uint8_t* qs = block.qs + line / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int low = (qs[i] >> (4 * (line % 2))) & 15;
      const int high = (block.qh[i] >> line) & 1;
      out[32 * line + i] = static_cast<std::int8_t>(low | high << 4);
    }
  }
}

inline void unpack(const BlockQ6_K& block, std::int8_t out[256]) {
  for (int line = 0; line < 8; ++line) {
    const std::uint8_t* ql = block.ql + line / 4 * 64 + line % 2 * 32;
    const std::uint8_t* qh = block.qh + line / 4 * 32;
    const int low_shift = line % 4 / 2 * 4, high_shift = line % 4 * 2;
    for (int i = 0; i < 32; ++i) {
      const int low = (ql[i] >> low_shift) & 15;
      const int high = (qh[i] >> high_shift) & 3;
      out[32 * line + i] = static_cast<std::int8_t>((low | high << 4) - 32);
    }
  }
}

inline void unpack(const BlockIQ4_NL& block, std::int8_t out[32]) {
  for (int i = 0; i < 16; ++i) {
    out[i] = kIq4Values[block.qs[i] & 15];
    out[i + 16] = kIq4Values[block.qs[i] >> 4];
  }
}

inline void unpack(const BlockIQ4_XS& block, std::int8_t out[256]) {
  for (int g = 0; g < 8; ++g) {
    const std::uint8_t* qs = block.qs + 16 * g;
    for (int i = 0; i < 16; ++i) {
      out[32 * g + i] = kIq4Values[qs[i] & 15];
      out[32 * g + 16 + i] = kIq4Values[qs[i] >> 4];
    }
  }
}

}  // namespace qwen::quant
