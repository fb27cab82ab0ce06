// Float weights in panels times float activations over Lanes: y = fma(weight, x, y) over the columns in order.
// Included inside an anonymous namespace after lanes.inl, load_f16 and load_bf16; no include guard.

struct F16 {
  std::uint16_t bits;
};
struct Bf16 {
  std::uint16_t bits;
};
inline Lanes load_weights(const float* w) noexcept {
  return load(w);
}
inline Lanes load_weights(const F16* w) noexcept {
  return load_f16(&w->bits);
}
inline Lanes load_weights(const Bf16* w) noexcept {
  return load_bf16(&w->bits);
}

// kP panels against kT tokens: `x` points to [cols] of kWidth interleaved tokens; tokens from the kWidth-th
// on lie in the next tile, `tile_stride` floats away.
template <class T, int kP, int kT, int kWidth>
void float_tile(const T* const* panel, const float* x, std::size_t tile_stride, int cols, float* out,
                std::size_t out_stride) noexcept {
  Lanes acc[kP][kT];
  UNROLL for (int p = 0; p < kP; ++p) UNROLL for (int t = 0; t < kT; ++t) acc[p][t] = broadcast(0.0f);
  for (int i = 0; i < cols; ++i) {
    Lanes w[kP];
    UNROLL for (int p = 0; p < kP; ++p) {
      w[p] = load_weights(panel[p] + static_cast<std::size_t>(i) * 16);
      if constexpr (kT <= kMaxStreamTokens)
        prefetch_ahead<static_cast<int>(16 * sizeof(T))>(panel[p] + static_cast<std::size_t>(i) * 16);
    }
    UNROLL for (int t = 0; t < kT; ++t) {
      const Lanes v =
          broadcast(x[static_cast<std::size_t>(t / kWidth) * tile_stride +
                      static_cast<std::size_t>(i) * kWidth + static_cast<std::size_t>(t % kWidth)]);
      UNROLL for (int p = 0; p < kP; ++p) acc[p][t] = fma(w[p], v, acc[p][t]);
    }
  }
  UNROLL for (int p = 0; p < kP; ++p) UNROLL for (int t = 0; t < kT; ++t)
      store(out + static_cast<std::size_t>(t) * out_stride + p * 16, acc[p][t]);
}

// Panels side by side, as many as registers allow.
template <class T, int kP, int kT, int kWidth>
void float_rows(const Matrix& matrix, const float* x, std::size_t tile_stride, int row_begin, int row_end,
                float* out, std::size_t out_stride) noexcept {
  int row = row_begin;
  const auto panel = [&](int r) {
    return reinterpret_cast<const T*>(matrix.data + static_cast<std::size_t>(r / kPanelRows) * matrix.stride);
  };
  for (; row + kP * kPanelRows <= row_end; row += kP * kPanelRows) {
    const T* panels[kP];
    for (int p = 0; p < kP; ++p) panels[p] = panel(row + p * kPanelRows);
    float_tile<T, kP, kT, kWidth>(panels, x, tile_stride, matrix.cols, out + (row - row_begin), out_stride);
  }
  for (; row < row_end; row += kPanelRows) {
    const T* one = panel(row);
    float_tile<T, 1, kT, kWidth>(&one, x, tile_stride, matrix.cols, out + (row - row_begin), out_stride);
  }
}

// All tokens in one tile.
template <class T, int kT>
void stream_tokens(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
                   std::size_t out_stride) noexcept {
  constexpr int kPanels = kT == 1 ? 4 : kVectorsPerLanes == 1 ? 2 : 1;
  constexpr int kMaxTokensPerTile =
      kVectorsPerLanes == 1 ? kMaxStreamTokens : 6;  // as many sums as registers hold
  if constexpr (kT <= kMaxTokensPerTile) {
    float_rows<T, kPanels, kT, kT>(matrix, in.tiles, 0, row_begin, row_end, out, out_stride);
  } else {
    constexpr int kHalf = kT / 2;
    for (int row = row_begin; row < row_end; row += kPanelRows) {
      const int end = row + kPanelRows < row_end ? row + kPanelRows : row_end;
      float* o = out + (row - row_begin);
      float_rows<T, 1, kHalf, kT>(matrix, in.tiles, 0, row, end, o, out_stride);
      float_rows<T, 1, kT - kHalf, kT>(matrix, in.tiles + kHalf, 0, row, end, o + kHalf * out_stride,
                                       out_stride);
    }
  }
}

template <class T>
void float_matmul_of(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
                     std::size_t out_stride) noexcept {
  // Registers hold kRegs accumulators of 16 floats besides weights.
  constexpr int kRegs = kVectorsPerLanes == 1 ? 24 : 6;
  constexpr int kLargeTileTokens = kRegs >= 24 ? 12 : 6;  // tokens of a large tile
  constexpr int kPanels = kRegs >= 24 ? 2 : 1;
  const std::size_t tile_stride = static_cast<std::size_t>(in.cols) * kTileTokens;
  switch (in.tokens) {
#define QWEN_CASE(n) \
  case n: return stream_tokens<T, n>(matrix, in, row_begin, row_end, out, out_stride);
    FOR_1_TO_8(QWEN_CASE)
#undef QWEN_CASE
    default: break;
  }
  // A few panels at a time against all tokens, so that the weights come from memory once.
  for (int row = row_begin; row < row_end; row += kPanels * kPanelRows) {
    const int end = row + kPanels * kPanelRows < row_end ? row + kPanels * kPanelRows : row_end;
    int t = 0;
    const auto x = [&] { return in.tiles + static_cast<std::size_t>(t / kTileTokens) * tile_stride; };
    const auto o = [&] { return out + static_cast<std::size_t>(t) * out_stride + (row - row_begin); };
    for (; t + kLargeTileTokens <= in.tokens; t += kLargeTileTokens)
      float_rows<T, kPanels, kLargeTileTokens, kTileTokens>(matrix, x(), tile_stride, row, end, o(),
                                                            out_stride);
    for (; t + 6 <= in.tokens; t += 6)
      float_rows<T, kPanels, 6, kTileTokens>(matrix, x(), tile_stride, row, end, o(), out_stride);
    switch (in.tokens - t) {
      case 5:
        float_rows<T, kPanels, 5, kTileTokens>(matrix, x(), tile_stride, row, end, o(), out_stride);
        break;
      case 4:
        float_rows<T, kPanels, 4, kTileTokens>(matrix, x(), tile_stride, row, end, o(), out_stride);
        break;
      case 3:
        float_rows<T, kPanels, 3, kTileTokens>(matrix, x(), tile_stride, row, end, o(), out_stride);
        break;
      case 2:
        float_rows<T, kPanels, 2, kTileTokens>(matrix, x(), tile_stride, row, end, o(), out_stride);
        break;
      case 1:
        float_rows<T, kPanels, 1, kTileTokens>(matrix, x(), tile_stride, row, end, o(), out_stride);
        break;
      default: break;
    }
  }
}

void float_matmul(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
                  std::size_t out_stride) noexcept {
  switch (matrix.type) {
    case TensorType::f16: return float_matmul_of<F16>(matrix, in, row_begin, row_end, out, out_stride);
    case TensorType::bf16: return float_matmul_of<Bf16>(matrix, in, row_begin, row_end, out, out_stride);
    default: return float_matmul_of<float>(matrix, in, row_begin, row_end, out, out_stride);
  }
}
