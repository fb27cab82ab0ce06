// Every kernel in plain C++, for any CPU: the definition that the other levels are tested against.
#include <cmath>
#include <cstring>
#include <xsimd/xsimd.hpp>

#include "base/half.h"
#include "kernels/kernels.h"
#include "kernels/panel_read.h"

namespace qwen::kernels {
namespace {

using Arch = xsimd::default_arch;  // of the baseline that this file is compiled for
using Batch = xsimd::batch<float, Arch>;
inline Batch fused(const Batch& a, const Batch& b, const Batch& c) noexcept {
  float x[Batch::size], y[Batch::size], z[Batch::size];
  a.store_unaligned(x);
  b.store_unaligned(y);
  c.store_unaligned(z);
  for (std::size_t i = 0; i < Batch::size; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return Batch::load_unaligned(z);
}

#include "kernels/lanes.inl"

Lanes load_f16(const std::uint16_t* x) noexcept {
  float v[16];
  for (int i = 0; i < 16; ++i) v[i] = f16_to_f32(x[i]);
  return load(v);
}

#include "kernels/float_kernels.inl"

// scale = max|x| / 127; q = x / scale, rounded to even. If max|x| is below 1e-36, so that its inverse would overflow,
// the block is zero.
void quantize_block(const float* x, int token, int block, const Activations& out) noexcept {
  const int tile = token / out.width, lane = token % out.width;
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) largest = std::fmax(largest, std::fabs(x[i]));
  const float inverse = largest > 1e-36f ? 127.0f / largest : 0.0f;
  const auto at = static_cast<std::size_t>(tile) * static_cast<std::size_t>(out.cols / kBlock) +
                  static_cast<std::size_t>(block);
  auto* q = out.q + at * kBlock * static_cast<std::size_t>(out.width);
  int sums[2] = {0, 0};
  for (int i = 0; i < kBlock; ++i) {
    const float rounded = std::nearbyint(x[i] * inverse);
    const int value = std::isnan(rounded) ? 0 : static_cast<int>(rounded);  // NaN becomes zero
    q[(i / 4 * out.width + lane) * 4 + i % 4] = static_cast<std::int8_t>(value);
    sums[i / 16] += value;
  }
  out.scale[at * static_cast<std::size_t>(out.width) + static_cast<std::size_t>(lane)] =
      inverse > 0 ? largest / 127.0f : 0.0f;
  auto* neg_sum = out.neg_sum + at * 2 * static_cast<std::size_t>(out.width);
  neg_sum[lane] = -sums[0];
  neg_sum[out.width + lane] = -sums[1];
}

// y = sum over groups, in order, of fma(float(sum of (u - offset) * q), scale * a, y) and then, where the
// type has mins, fma(float(-sum of q), min * a, y); a is the block's activation scale. The integer sums are
// exact.
float quantized_dot(const PanelReader& panel, const PanelFormat& format, int row, const Activations& input,
                    int token) noexcept {
  const int tile = token / input.width, lane = token % input.width, blocks = input.cols / kBlock;
  float y = 0;
  for (int b = 0; b < blocks; ++b) {
    const auto at =
        static_cast<std::size_t>(tile) * static_cast<std::size_t>(blocks) + static_cast<std::size_t>(b);
    const std::int8_t* q = input.q + at * kBlock * static_cast<std::size_t>(input.width);
    const std::int32_t* neg_sum = input.neg_sum + at * 2 * static_cast<std::size_t>(input.width);
    const float a = input.scale[at * static_cast<std::size_t>(input.width) + static_cast<std::size_t>(lane)];
    for (int g = 0; g < format.groups_per_block(); ++g) {
      std::int32_t sum = 0;
      for (int i = g * format.group; i < (g + 1) * format.group; ++i)
        sum +=
            (panel.code(row, b * kBlock + i) - format.offset) * q[(i / 4 * input.width + lane) * 4 + i % 4];
      const GroupScale s = panel.group(row, b * kBlock + g * format.group);
      y = std::fma(static_cast<float>(sum), s.scale * a, y);
      if (format.min) {
        const std::int32_t group_neg_sum = format.group == 16 ? neg_sum[g * input.width + lane]
                                                              : neg_sum[lane] + neg_sum[input.width + lane];
        y = std::fma(static_cast<float>(group_neg_sum), s.min * a, y);
      }
    }
  }
  return y;
}

// y = sum over columns, in order, of fma(weight, x, y).
float float_dot(const Matrix& matrix, int row, const Activations& input, int token) noexcept {
  const std::byte* panel = matrix.data + static_cast<std::size_t>(row / kPanelRows) * matrix.stride;
  const float* x = input.tiles +
                   static_cast<std::size_t>(token / input.width) * static_cast<std::size_t>(input.cols) *
                       static_cast<std::size_t>(input.width) +
                   token % input.width;
  const auto lane = static_cast<std::size_t>(row % kPanelRows);
  float y = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(input.cols); ++i) {
    const std::size_t at = i * kPanelRows + lane;
    float weight;
    if (matrix.type == TensorType::f32)
      weight = reinterpret_cast<const float*>(panel)[at];
    else if (matrix.type == TensorType::f16)
      weight = f16_to_f32(reinterpret_cast<const std::uint16_t*>(panel)[at]);
    else
      weight = bf16_to_f32(reinterpret_cast<const std::uint16_t*>(panel)[at]);
    y = std::fma(weight, x[i * static_cast<std::size_t>(input.width)], y);
  }
  return y;
}

void float_matmul(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                  std::size_t out_stride) noexcept {
  for (int row = row_begin; row < row_end; ++row)
    for (int t = 0; t < input.tokens; ++t)
      out[static_cast<std::size_t>(t) * out_stride + static_cast<std::size_t>(row - row_begin)] =
          float_dot(matrix, row, input, t);
}

void quantized_matmul(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                      std::size_t out_stride, std::byte*) noexcept {
  const PanelFormat format = panel_format(matrix.type);
  for (int row = row_begin; row < row_end; ++row) {
    const PanelReader reader = PanelReader::of(matrix, row);
    for (int t = 0; t < input.tokens; ++t)
      out[static_cast<std::size_t>(t) * out_stride + static_cast<std::size_t>(row - row_begin)] =
          quantized_dot(reader, format, row % kPanelRows, input, t);
  }
}

void approx_logits(const Matrix& matrix, const Activations& input, int row, float* out,
                   std::int32_t* high_sums) noexcept {
  const PanelReader panel = PanelReader::of(matrix, row);
  for (int lane = 0; lane < kPanelRows; ++lane) {
    float y = 0;
    for (int b = 0; b < input.cols / kBlock; ++b) {
      std::int32_t sum = 0;
      for (int i = b * kBlock; i < (b + 1) * kBlock; ++i) sum += panel.high_nibble(lane, i) * input.q[i];
      high_sums[b * kPanelRows + lane] = sum;
      const float middle = 120.5f * static_cast<float>(input.neg_sum[2 * b] + input.neg_sum[2 * b + 1]);
      const float scale = panel.group(lane, b * kBlock).scale;
      y = std::fma(std::fma(static_cast<float>(sum), 16.0f, middle), scale * input.scale[b], y);
    }
    out[lane] = y;
  }
}

void complete_logits(const Matrix& matrix, const Activations& input, int row, unsigned lanes,
                     std::int32_t* sums, float* out) noexcept {
  const PanelReader panel = PanelReader::of(matrix, row);
  for (int lane = 0; lane < kPanelRows; ++lane) {
    if ((lanes >> lane & 1) == 0) continue;
    float y = 0;
    for (int b = 0; b < input.cols / kBlock; ++b) {
      std::int32_t sum =
          16 * sums[b * kPanelRows + lane] + 128 * (input.neg_sum[2 * b] + input.neg_sum[2 * b + 1]);
      for (int i = b * kBlock; i < (b + 1) * kBlock; ++i) sum += panel.low_nibble(lane, i) * input.q[i];
      y = std::fma(static_cast<float>(sum), panel.group(lane, b * kBlock).scale * input.scale[b], y);
    }
    out[lane] = y;
  }
}

constexpr FloatKernels kFloatTable = {rms_norm, add, silu_mul, rope, attention, quantize_block, float_matmul};
constexpr BlockKernels kBlockTable = {quantized_matmul, approx_logits, complete_logits};

}  // namespace

const FloatKernels* const kScalarFloat = &kFloatTable;
const BlockKernels* const kScalarBlocks = &kBlockTable;
const QuantizedMatmul kScalarSuperBlocks = quantized_matmul;

}  // namespace qwen::kernels
