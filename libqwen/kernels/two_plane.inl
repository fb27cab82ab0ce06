// The two-plane output head. Included inside an anonymous namespace after quantized.inl; no include guard.

// With u = 16 * high + low, sum of (u - 128) q = 16 * sum of high q + sum of low q - 128 * sum of q.
void approx_logits(const Matrix& matrix, const Activations& in, int row, float* out,
                   std::int32_t* high_sums) noexcept {
  constexpr PanelFormat f = panel_format(kQ8TwoPlane);
  const int blocks = in.cols / kBlock;
  const auto* record = reinterpret_cast<const std::uint8_t*>(matrix.data) +
                       static_cast<std::size_t>(row / kPanelRows) * matrix.stride;
  F acc[kVecs];
  UNROLL for (int v = 0; v < kVecs; ++v) acc[v] = fzero();
  for (int b = 0; b < blocks; ++b) {
    const BlockActivations x = block_activations(in, 0, b);
    const F middle = fset1(120.5f * static_cast<float>(x.neg_sum[0] + x.neg_sum[1]));
    const std::uint8_t* lines = record + f.codes_at() + b % 2 * f.block_bytes();
    prefetch_ahead<f.record_bytes() / f.record_blocks()>(lines);
    UNROLL for (int v = 0; v < kVecs; ++v) {
      V code[8], sum[1][1] = {{vset1(0)}};
      decode<TensorType::q4_0>(lines, nullptr, v, code);
      dot_tile<4, 8, 1, 1, 1>(code, 0, x.q, sum);
      vstore(reinterpret_cast<std::uint8_t*>(high_sums + b * kPanelRows + v * kVecRows), sum[0][0]);
      const F s =
          half_to_float(reinterpret_cast<const std::uint16_t*>(record) + b % 2 * kPanelRows + v * kVecRows);
      acc[v] = ffma(ffma(to_float(sum[0][0]), fset1(16.0f), middle), fmul(s, fset1(x.scale[0])), acc[v]);
    }
    if (b % 2 == 1) record += f.record_bytes();
  }
  UNROLL for (int v = 0; v < kVecs; ++v) fstore(out + v * kVecRows, acc[v]);
}

void complete_logits(const Matrix& matrix, const Activations& in, int row, unsigned lanes, std::int32_t* sums,
                     float* out) noexcept {
  constexpr PanelFormat f = panel_format(kQ8TwoPlane);
  const int blocks = in.cols / kBlock;
  const auto panel = static_cast<std::size_t>(row / kPanelRows);
  const auto* low = reinterpret_cast<const std::uint8_t*>(matrix.low) + panel * matrix.low_stride;
  for (; lanes != 0; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    for (int b = 0; b < blocks; b += kLowBlocks)
      add_low_sums(low + low_block_at(b) + lane * kLowRowBytes, in.q + b * kBlock,
                   blocks - b < kLowBlocks ? blocks - b : kLowBlocks, sums + b * kPanelRows + lane);
  }
  const auto* record = reinterpret_cast<const std::uint8_t*>(matrix.data) + panel * matrix.stride;
  F acc[kVecs];
  UNROLL for (int v = 0; v < kVecs; ++v) acc[v] = fzero();
  for (int b = 0; b < blocks; ++b) {
    const BlockActivations x = block_activations(in, 0, b);
    const V middle = vset1(128 * (x.neg_sum[0] + x.neg_sum[1]));
    UNROLL for (int v = 0; v < kVecs; ++v) {
      const F s =
          half_to_float(reinterpret_cast<const std::uint16_t*>(record) + b % 2 * kPanelRows + v * kVecRows);
      const V sum =
          vadd32(vload(reinterpret_cast<const std::uint8_t*>(sums + b * kPanelRows + v * kVecRows)), middle);
      acc[v] = ffma(to_float(sum), fmul(s, fset1(x.scale[0])), acc[v]);
    }
    if (b % 2 == 1) record += f.record_bytes();
  }
  UNROLL for (int v = 0; v < kVecs; ++v) fstore(out + v * kVecRows, acc[v]);
}
