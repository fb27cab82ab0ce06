// Types with blocks of 32 weights, for AVX2.
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/panel.h"

namespace qwen::kernels {
namespace {

#include "kernels/common.inl"

#include "kernels/vec256.inl"

#include "kernels/dot_avx2.inl"

#include "kernels/quantized.inl"

#include "kernels/two_plane.inl"

void matmul(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
            std::size_t out_stride, std::byte* scratch) noexcept {
  if (matrix.type == kQ8TwoPlane)
    return quantized_matmul<kQ8TwoPlane>(matrix, in, row_begin, row_end, out, out_stride, scratch);
  switch (matrix.type) {
#define QWEN_CASE(type)  \
  case TensorType::type: \
    return quantized_matmul<TensorType::type>(matrix, in, row_begin, row_end, out, out_stride, scratch);
    FOR_EACH_BLOCK_TYPE(QWEN_CASE)
#undef QWEN_CASE
    default: return;
  }
}

constexpr BlockKernels kTable = {matmul, approx_logits, complete_logits};

}  // namespace

const BlockKernels* const kAvx2Blocks = &kTable;

}  // namespace qwen::kernels
