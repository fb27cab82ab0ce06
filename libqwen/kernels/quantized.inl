// Quantized weights in panels times int8 activations, for all vector ISAs. Included inside an anonymous namespace
// after common.inl and an ISA's vectors (vec256.inl, vec512.inl, vec_neon.inl), which define:
//
//   V, F                     integers and floats of kVecRows rows (4, 8 or 16); kVecs of them make a panel
//   vload vstore vand vor    V of bytes; pointers of any alignment
//   vsplat8 vset1 vadd32     a byte in all bytes; a dword in all dwords; sum of dwords
//   shift_right<n> shift_left<n>   of lanes of 16 bits, or of bytes if the callers' masks allow it
//   iq4_lookup               the table's values + 128
//   load_rows_of_dwords add_low_sums   for the low nibble plane
//   fzero fset1 fload fstore fmul ffma to_float
//   half_to_float i8_to_float u8_to_float low_nibble_to_float high_nibble_to_float
//   kTileVecs kRegisterTokens   vectors of rows and tokens of a GEMM tile whose sums fit in the registers
//   dot_tile<bits, lines, vecs, tokens, width>(codes, code_stride, a, sum)   adds to sum[vec][token] the products
//                            of `lines` dwords of codes and of activations; bits < 0: codes of -bits bits that
//                            prepare_tile_codes has changed, and sums that are all kSumStart
//   kSumStart sum_to_float   start value of the integer sums, and a sum less that value as float
//   kSignedTiles prepare_tile_codes<offset>   whether unpacked codes are changed, and how: subtracts the offset
//   kStreamTokens            up to this many tokens take codes straight from memory to products; at most
//                            kMaxStreamTokens
//   kSignedBytes             true if dot_tile subtracts 128 from 8-bit codes itself
//
// The order of float operations is that of scalar.cpp, so the results are equal bit for bit. No include guard.

static_assert(kMaxStreamTokens == 8 && (kStreamTokens == kMaxStreamTokens || kStreamTokens == kTileTokens));

constexpr int kVecBytes = kVecRows * 4;

// The eight dwords of a block for the kVecRows rows of vector `v`. `low` is the block's part of the low nibble
// plane, null unless the type has two planes.
template <TensorType kType>
inline void decode(const std::uint8_t* lines, const std::uint8_t* low, int v, V* code) noexcept {
  constexpr PanelFormat f = panel_format(kType);
  const auto line = [&](int i) { return vload(lines + i * 64 + v * kVecBytes); };
  if constexpr (f.two_plane) {
    const V low_bits = vsplat8(0x0F), high_bits = vsplat8(0xF0);
    V lower[4];
    load_rows_of_dwords(low + v * kVecRows * kLowRowBytes, lower);
    UNROLL for (int i = 0; i < 4; ++i) {
      const V upper = line(i);
      code[i] = vor(vand(shift_left<4>(upper), high_bits), vand(lower[i], low_bits));
      code[i + 4] = vor(vand(upper, high_bits), vand(shift_right<4>(lower[i]), low_bits));
    }
  } else if constexpr (f.bits == 8) {
    UNROLL for (int j = 0; j < 8; ++j) code[j] = line(j);
  } else if constexpr (f.bits >= 4) {
    const V low = vsplat8(0x0F);
    UNROLL for (int i = 0; i < 4; ++i) {
      const V both = line(i);
      code[i] = vand(both, low);
      code[i + 4] = vand(shift_right<4>(both), low);
    }
    if constexpr (f.table) {
      UNROLL for (int j = 0; j < 8; ++j) code[j] = iq4_lookup(code[j]);
    }
    if constexpr (f.bits == 5) {
      const V high = line(4), bit = vsplat8(0x10);
      code[0] = vor(code[0], vand(shift_left<4>(high), bit));
      code[1] = vor(code[1], vand(shift_left<3>(high), bit));
      code[2] = vor(code[2], vand(shift_left<2>(high), bit));
      code[3] = vor(code[3], vand(shift_left<1>(high), bit));
      code[4] = vor(code[4], vand(high, bit));
      code[5] = vor(code[5], vand(shift_right<1>(high), bit));
      code[6] = vor(code[6], vand(shift_right<2>(high), bit));
      code[7] = vor(code[7], vand(shift_right<3>(high), bit));
    }
    if constexpr (f.bits == 6) {
      const V bits = vsplat8(0x30);
      UNROLL for (int h = 0; h < 2; ++h) {
        const V high = line(4 + h);
        code[4 * h] = vor(code[4 * h], vand(shift_left<4>(high), bits));
        code[4 * h + 1] = vor(code[4 * h + 1], vand(shift_left<2>(high), bits));
        code[4 * h + 2] = vor(code[4 * h + 2], vand(high, bits));
        code[4 * h + 3] = vor(code[4 * h + 3], vand(shift_right<2>(high), bits));
      }
    }
  } else {
    const V two = vsplat8(0x03);
    UNROLL for (int h = 0; h < 2; ++h) {
      const V both = line(h);
      code[4 * h] = vand(both, two);
      code[4 * h + 1] = vand(shift_right<2>(both), two);
      code[4 * h + 2] = vand(shift_right<4>(both), two);
      code[4 * h + 3] = vand(shift_right<6>(both), two);
    }
    if constexpr (f.bits == 3) {
      const V high = line(2), bit = vsplat8(0x04);
      code[0] = vor(code[0], vand(shift_left<2>(high), bit));
      code[1] = vor(code[1], vand(shift_left<1>(high), bit));
      code[2] = vor(code[2], vand(high, bit));
      code[3] = vor(code[3], vand(shift_right<1>(high), bit));
      code[4] = vor(code[4], vand(shift_right<2>(high), bit));
      code[5] = vor(code[5], vand(shift_right<3>(high), bit));
      code[6] = vor(code[6], vand(shift_right<4>(high), bit));
      code[7] = vor(code[7], vand(shift_right<5>(high), bit));
    }
  }
}

// Bits of a code as dot_tile sees it.
template <TensorType kType>
constexpr int code_bits() {
  return panel_format(kType).table || panel_format(kType).two_plane ? 8 : panel_format(kType).bits;
}
// offset * neg_sum is the correction that turns sum(code * q) into sum((code - offset) * q).
template <TensorType kType>
constexpr int correction() {
  return kSignedBytes && code_bits<kType>() == 8 ? 0 : panel_format(kType).offset;
}

// The scale and min of group `g` of block `b` of a record, for rows from `row` on.
template <TensorType kType>
inline F group_scale(const std::uint8_t* record, int b, int g, int row) noexcept {
  constexpr PanelFormat f = panel_format(kType);
  const auto* halves = reinterpret_cast<const std::uint16_t*>(record);
  if constexpr (f.scales == ScaleKind::plain) return half_to_float(halves + b * kPanelRows + row);
  const std::uint8_t* byte = record + f.bytes_at() + (b * f.groups_per_block() + g) * kPanelRows + row;
  const F d = half_to_float(halves + row);
  if constexpr (f.scales == ScaleKind::bytes) return fmul(d, i8_to_float(byte));
  if constexpr (f.scales == ScaleKind::bytes_min) return fmul(d, u8_to_float(byte));
  return fmul(d, low_nibble_to_float(byte));
}
template <TensorType kType>
inline F group_min(const std::uint8_t* record, int b, int g, int row) noexcept {
  constexpr PanelFormat f = panel_format(kType);
  const auto* halves = reinterpret_cast<const std::uint16_t*>(record + f.min_at());
  if constexpr (f.scales == ScaleKind::plain) return half_to_float(halves + b * kPanelRows + row);
  const std::uint8_t* byte = record + f.bytes_at() + (b * f.groups_per_block() + g) * kPanelRows + row;
  const F dmin = half_to_float(halves + row);
  if constexpr (f.scales == ScaleKind::bytes_min) return fmul(dmin, u8_to_float(byte + f.scale_bytes() / 2));
  return fmul(dmin, high_nibble_to_float(byte));
}

inline int tile_count(const Activations& in) noexcept {
  return (in.tokens + in.width - 1) / in.width;
}

// The activations of one block of one tile, `width` tokens interleaved.
struct BlockActivations {
  const std::int32_t* q;        // [8][width] dwords
  const std::int32_t* neg_sum;  // [2][width]
  const float* scale;           // [width]
};
inline BlockActivations block_activations(const Activations& in, int tile, int block) noexcept {
  const auto at = static_cast<std::size_t>(tile) * static_cast<std::size_t>(in.cols / kBlock) +
                  static_cast<std::size_t>(block);
  const auto width = static_cast<std::size_t>(in.width);
  return {reinterpret_cast<const std::int32_t*>(in.q) + at * 8 * width, in.neg_sum + at * 2 * width,
          in.scale + at * width};
}

// One block of kN vectors of rows and kT tokens: acc += float(sum of codes x q) * (scale * a) for each group,
// then the mins. `scale(vec, group)` and `min(vec, group)` give the groups' factors.
template <int kBits, int kGroup, bool kMin, int kCorrection, int kWidth, int kN, int kT, class Scale,
          class Min>
inline void multiply_block(const V* codes, int code_stride, const BlockActivations& x, const Scale& scale,
                           const Min& min, F (*acc)[kT]) noexcept {
  constexpr int kLines = kGroup / 4;
  UNROLL for (int g = 0; g < kBlock / kGroup; ++g) {
    V sum[kN][kT];
    std::int32_t neg_sum[kT];
    UNROLL for (int t = 0; t < kT; ++t) {
      neg_sum[t] = kGroup == 16 ? x.neg_sum[g * kWidth + t] : x.neg_sum[t] + x.neg_sum[kWidth + t];
      UNROLL for (int n = 0; n < kN; ++n) sum[n][t] = vset1(kSumStart + kCorrection * neg_sum[t]);
    }
    dot_tile<kBits, kLines, kN, kT, kWidth>(codes + g * kLines, code_stride, x.q + g * kLines * kWidth, sum);
    UNROLL for (int n = 0; n < kN; ++n) {
      const F s = scale(n, g);
      UNROLL for (int t = 0; t < kT; ++t) acc[n][t] =
          ffma(sum_to_float(sum[n][t]), fmul(s, fset1(x.scale[t])), acc[n][t]);
      if constexpr (kMin) {
        const F m = min(n, g);
        UNROLL for (int t = 0; t < kT; ++t) acc[n][t] =
            ffma(fset1(static_cast<float>(neg_sum[t])), fmul(m, fset1(x.scale[t])), acc[n][t]);
      }
    }
  }
}

// Few tokens: codes go from memory to registers to the products.

template <TensorType kType, int kT>
inline void stream_record(const std::uint8_t* record, const std::uint8_t* low, int count,
                          const Activations& in, int first_block, F (*acc)[1][kT]) noexcept {
  constexpr PanelFormat f = panel_format(kType);
  for (int b = 0; b < count; ++b) {
    const BlockActivations x = block_activations(in, 0, first_block + b);
    const std::uint8_t* lines = record + f.codes_at() + b * f.block_bytes();
    const std::uint8_t* low_block = nullptr;
    if constexpr (f.two_plane) low_block = low + low_block_at(first_block + b);
    if constexpr (kT > 2 || f.bits < 8 ||
                  f.two_plane) {  // one token of 8 bits: the hardware prefetcher is enough
      prefetch_ahead<f.record_bytes() / f.record_blocks()>(lines);
      if constexpr (f.two_plane) prefetch_ahead<256>(low + (first_block + b) * 256);
    }
    UNROLL for (int v = 0; v < kVecs; ++v) {
      V code[8];
      decode<kType>(lines, low_block, v, code);
      multiply_block<code_bits<kType>(), f.group, f.min, correction<kType>(), kT, 1, kT>(
          code, 0, x, [&](int, int g) { return group_scale<kType>(record, b, g, v * kVecRows); },
          [&](int, int g) { return group_min<kType>(record, b, g, v * kVecRows); }, acc[v]);
    }
  }
}

// One panel against kT tokens.
template <TensorType kType, int kT>
void stream_panel(const std::byte* panel, const std::byte* low, const Activations& in, float* out,
                  std::size_t out_stride) noexcept {
  constexpr PanelFormat f = panel_format(kType);
  const int blocks = in.cols / kBlock;
  const auto* record = reinterpret_cast<const std::uint8_t*>(panel);
  const auto* low_plane = reinterpret_cast<const std::uint8_t*>(low);
  F acc[kVecs][1][kT];
  UNROLL for (int v = 0; v < kVecs; ++v) UNROLL for (int t = 0; t < kT; ++t) acc[v][0][t] = fzero();
  int b = 0;
  for (; b + f.record_blocks() <= blocks; b += f.record_blocks(), record += f.record_bytes())
    stream_record<kType, kT>(record, low_plane, f.record_blocks(), in, b, acc);
  if (b < blocks) stream_record<kType, kT>(record, low_plane, blocks - b, in, b, acc);
  UNROLL for (int v = 0; v < kVecs; ++v) UNROLL for (int t = 0; t < kT; ++t)
      fstore(out + static_cast<std::size_t>(t) * out_stride + v * kVecRows, acc[v][0][t]);
}

// The lower plane of the panel of `row`; null if the type has only one plane.
template <TensorType kType>
inline const std::byte* low_panel(const Matrix& matrix, int row) noexcept {
  if constexpr (!panel_format(kType).two_plane) return nullptr;
  return matrix.low + static_cast<std::size_t>(row / kPanelRows) * matrix.low_stride;
}

template <TensorType kType, int kT>
void stream_panels(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
                   std::size_t out_stride) noexcept {
  for (int row = row_begin; row < row_end; row += kPanelRows) {
    const std::byte* panel = matrix.data + static_cast<std::size_t>(row / kPanelRows) * matrix.stride;
    stream_panel<kType, kT>(panel, low_panel<kType>(matrix, row), in, out + (row - row_begin), out_stride);
  }
}

// Many tokens: codes and scales of two panels are unpacked into the L1 cache, kPartBlocks blocks at a time.

constexpr int kPartBlocks = 32;  // of 32 columns: 2 panels x 32 x 512 bytes of codes
constexpr int kPartVecs = 2 * kVecs;

struct Unpacked {
  alignas(64) std::uint8_t codes[kPartVecs][kPartBlocks][8][kVecBytes];
  alignas(64) float scale[kPartVecs][kPartBlocks][2][kVecRows];
  alignas(64) float min[kPartVecs][kPartBlocks][2][kVecRows];
};
static_assert(sizeof(Unpacked) <= 128 * 1024);

template <TensorType kType>
inline void unpack(const std::uint8_t* panel, const std::uint8_t* low, int first_block, int count, int vec,
                   Unpacked& out) noexcept {
  constexpr PanelFormat f = panel_format(kType);
  for (int i = 0; i < count; ++i) {
    const int b = (first_block + i) % f.record_blocks();
    const std::uint8_t* record =
        panel + static_cast<std::size_t>((first_block + i) / f.record_blocks()) * f.record_bytes();
    const std::uint8_t* low_block = nullptr;
    if constexpr (f.two_plane) low_block = low + low_block_at(first_block + i);
    UNROLL for (int v = 0; v < kVecs; ++v) {
      V code[8];
      decode<kType>(record + f.codes_at() + b * f.block_bytes(), low_block, v, code);
      if constexpr (kSignedTiles) prepare_tile_codes<f.offset>(code);
      UNROLL for (int j = 0; j < 8; ++j) vstore(out.codes[vec + v][i][j], code[j]);
      for (int g = 0; g < f.groups_per_block(); ++g) {
        fstore(out.scale[vec + v][i][g], group_scale<kType>(record, b, g, v * kVecRows));
        if constexpr (f.min) fstore(out.min[vec + v][i][g], group_min<kType>(record, b, g, v * kVecRows));
      }
    }
  }
}

// Prefetches the next part of the panels into the L2 cache, a few lines per step of the current part.
struct Prefetcher {
  static constexpr int kStreams = 4;  // two panels, and the lower halves of their codes
  const std::byte* at[kStreams] = {};
  const std::byte* end[kStreams] = {};
  int stream = 0, streams = 0;
  int lines = 0;  // per fetch()

  void add(const std::byte* begin, std::size_t bytes) noexcept {
    at[streams] = begin;
    end[streams++] = begin + bytes;
  }
  // Chooses `lines` so that `calls` calls of fetch() cover everything.
  void spread(int calls) noexcept {
    std::ptrdiff_t bytes = 0;
    for (int i = 0; i < streams; ++i) bytes += end[i] - at[i];
    lines = static_cast<int>(bytes / 64 + calls - 1) / calls;
  }
  void fetch() noexcept {
    for (int i = 0; i < lines; ++i) {
      if (stream < streams && at[stream] >= end[stream]) ++stream;
      if (stream == streams) return;
      __builtin_prefetch(at[stream], 0, 2);
      at[stream] += 64;
    }
  }
};

// kT tokens of a tile, from `lane` on, against kN vectors of rows. Continues the sums in `out` unless
// first_block is 0.
template <int kBits, int kGroup, bool kMin, int kCorrection, int kWidth, int kN, int kT>
void multiply_tile(const Unpacked& w, int vec, const Activations& in, int tile, int lane, int first_block,
                   int count, float* out, std::size_t out_stride, Prefetcher& prefetcher) noexcept {
  out += static_cast<std::size_t>(lane) * out_stride;
  F acc[kN][kT];
  UNROLL for (int n = 0; n < kN; ++n) UNROLL for (int t = 0; t < kT; ++t) acc[n][t] =
      first_block == 0 ? fzero() : fload(out + static_cast<std::size_t>(t) * out_stride + n * kVecRows);
  BlockActivations x = block_activations(in, tile, first_block);
  x.q += lane;
  x.neg_sum += lane;
  x.scale += lane;
  for (int i = 0; i < count; ++i) {
    prefetcher.fetch();
    multiply_block<kBits, kGroup, kMin, kCorrection, kWidth, kN, kT>(
        reinterpret_cast<const V*>(w.codes[vec][i][0]), kPartBlocks * 8, x,
        [&](int n, int g) { return fload(w.scale[vec + n][i][g]); },
        [&](int n, int g) { return fload(w.min[vec + n][i][g]); }, acc);
    x.q += 8 * kWidth;
    x.neg_sum += 2 * kWidth;
    x.scale += kWidth;
  }
  UNROLL for (int n = 0; n < kN; ++n) UNROLL for (int t = 0; t < kT; ++t)
      fstore(out + static_cast<std::size_t>(t) * out_stride + n * kVecRows, acc[n][t]);
}

// The tokens of a tile from `lane` on, in equal parts of at most kRegisterTokens.
template <int kBits, int kGroup, bool kMin, int kCorrection, int kWidth, int kN, int kTokens>
inline void multiply_lanes(const Unpacked& w, int vec, const Activations& in, int tile, int lane,
                           int first_block, int count, float* out, std::size_t out_stride,
                           Prefetcher& prefetcher) noexcept {
  constexpr int kParts = (kTokens + kRegisterTokens - 1) / kRegisterTokens;
  constexpr int kT = (kTokens + kParts - 1) / kParts;
  multiply_tile<kBits, kGroup, kMin, kCorrection, kWidth, kN, kT>(w, vec, in, tile, lane, first_block, count,
                                                                  out, out_stride, prefetcher);
  if constexpr (kTokens > kT)
    multiply_lanes<kBits, kGroup, kMin, kCorrection, kWidth, kN, kTokens - kT>(
        w, vec, in, tile, lane + kT, first_block, count, out, out_stride, prefetcher);
}

template <int kBits, int kGroup, bool kMin, int kCorrection, int kN>
inline void multiply_tokens(const Unpacked& w, int vec, const Activations& in, int tile, int first_block,
                            int count, float* out, std::size_t out_stride, Prefetcher& prefetcher) noexcept {
#define QWEN_LANES(width, tokens)                                                                       \
  multiply_lanes<kBits, kGroup, kMin, kCorrection, width, kN, tokens>(w, vec, in, tile, 0, first_block, \
                                                                      count, out, out_stride, prefetcher)
  if constexpr (kStreamTokens < kMaxStreamTokens) {
    if (in.width == 7) return QWEN_LANES(7, 7);
    if (in.width == 8) return QWEN_LANES(8, 8);
  }
  switch (in.tokens - tile * kTileTokens) {
    case 1: QWEN_LANES(kTileTokens, 1); break;
    case 2: QWEN_LANES(kTileTokens, 2); break;
    case 3: QWEN_LANES(kTileTokens, 3); break;
    case 4: QWEN_LANES(kTileTokens, 4); break;
    case 5: QWEN_LANES(kTileTokens, 5); break;
    default: QWEN_LANES(kTileTokens, 6); break;
  }
#undef QWEN_LANES
}

// All tokens against the unpacked rows.
template <int kBits, int kGroup, bool kMin, int kCorrection>
void multiply_part(const Unpacked& w, int vecs, const Activations& in, int first_block, int count, float* out,
                   std::size_t out_stride, Prefetcher& prefetcher) noexcept {
  for (int tile = 0; tile < tile_count(in); ++tile) {
    float* tile_out = out + static_cast<std::size_t>(tile) * kTileTokens * out_stride;
    int vec = 0;
    for (; vec + kTileVecs <= vecs; vec += kTileVecs)
      multiply_tokens<kBits, kGroup, kMin, kCorrection, kTileVecs>(
          w, vec, in, tile, first_block, count, tile_out + vec * kVecRows, out_stride, prefetcher);
    if constexpr (kVecs % kTileVecs != 0) {
      for (; vec < vecs; ++vec)
        multiply_tokens<kBits, kGroup, kMin, kCorrection, 1>(
            w, vec, in, tile, first_block, count, tile_out + vec * kVecRows, out_stride, prefetcher);
    }
  }
}

template <TensorType kType>
void unpack_and_multiply(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
                         std::size_t out_stride, std::byte* scratch) noexcept {
  constexpr PanelFormat f = panel_format(kType);
  auto& unpacked = *reinterpret_cast<Unpacked*>(scratch);
  const int blocks = in.cols / kBlock;
  const auto panel = [&](int row) {
    return matrix.data + static_cast<std::size_t>(row / kPanelRows) * matrix.stride;
  };
  for (int row = row_begin; row < row_end; row += 2 * kPanelRows) {
    const int panels = row + kPanelRows < row_end ? 2 : 1;
    for (int first = 0; first < blocks; first += kPartBlocks) {
      const int count = blocks - first < kPartBlocks ? blocks - first : kPartBlocks;
      for (int p = 0; p < panels; ++p)
        unpack<kType>(reinterpret_cast<const std::uint8_t*>(panel(row + p * kPanelRows)),
                      reinterpret_cast<const std::uint8_t*>(low_panel<kType>(matrix, row + p * kPanelRows)),
                      first, count, p * kVecs, unpacked);
      // Next: further columns of these panels, or the first columns of the next ones.
      const bool more = first + count < blocks;
      const int next_row = more ? row : row + 2 * kPanelRows;
      const int next_first = more ? first + count : 0;
      const int next_count = blocks - next_first < kPartBlocks ? blocks - next_first : kPartBlocks;
      const auto records = static_cast<std::size_t>((next_count + f.record_blocks() - 1) / f.record_blocks());
      Prefetcher prefetcher;
      for (int r = next_row; r < next_row + 2 * kPanelRows && r < row_end; r += kPanelRows) {
        prefetcher.add(panel(r) + static_cast<std::size_t>(next_first / f.record_blocks()) * f.record_bytes(),
                       records * f.record_bytes());
        if constexpr (f.two_plane)
          prefetcher.add(low_panel<kType>(matrix, r) + static_cast<std::size_t>(next_first) * 256,
                         static_cast<std::size_t>(next_count) * 256);
      }
      prefetcher.spread(tile_count(in) * count *
                        (panels * kVecs / kTileVecs > 0 ? panels * kVecs / kTileVecs : 1));
      constexpr int kBits = kSignedTiles ? -code_bits<kType>() : code_bits<kType>();
      multiply_part<kBits, f.group, f.min, kSignedTiles ? 0 : correction<kType>()>(
          unpacked, panels * kVecs, in, first, count, out + (row - row_begin), out_stride, prefetcher);
    }
  }
}

template <TensorType kType>
void quantized_matmul(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
                      std::size_t out_stride, std::byte* scratch) noexcept {
  switch (in.tokens) {
#define QWEN_CASE(n)                                                                   \
  case n:                                                                              \
    if constexpr (n <= kStreamTokens)                                                  \
      return stream_panels<kType, n>(matrix, in, row_begin, row_end, out, out_stride); \
    break;
    FOR_1_TO_8(QWEN_CASE)
#undef QWEN_CASE
    default: break;
  }
  unpack_and_multiply<kType>(matrix, in, row_begin, row_end, out, out_stride, scratch);
}
