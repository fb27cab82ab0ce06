// Weights dequantized to float as they are read, times float activations: no packing.
#include "kernels/kernels.h"

#include <Eigen/Core>
#include <span>

#include "quant/quant.h"

namespace qwen::kernels {
namespace {

using Lane16 = Eigen::Array<float, 16, 1>;

// Sixteen partial sums, added pairwise at the end: fixed order, and a smaller error than one running sum.
float dot(const float* a, const float* b, int n) noexcept {
  Lane16 sums = Lane16::Zero();
  int i = 0;
  for (; i + 16 <= n; i += 16) sums += Eigen::Map<const Lane16>(a + i) * Eigen::Map<const Lane16>(b + i);
  for (int lane = 0; i + lane < n; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (int width = 8; width >= 1; width /= 2)
    for (int lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  return sums[0];
}

}  // namespace

void reference_matmul(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                      std::size_t out_stride, std::byte* scratch) noexcept {
  const auto cols = static_cast<std::size_t>(matrix.cols);
  auto* row = reinterpret_cast<float*>(scratch);
  for (int r = row_begin; r < row_end; ++r) {
    quant::dequantize(matrix.type, matrix.data + static_cast<std::size_t>(r) * matrix.stride, {row, cols});
    for (int t = 0; t < input.tokens; ++t)
      out[static_cast<std::size_t>(t) * out_stride + static_cast<std::size_t>(r - row_begin)] =
          dot(row, input.rows + static_cast<std::size_t>(t) * cols, matrix.cols);
  }
}

}  // namespace qwen::kernels
