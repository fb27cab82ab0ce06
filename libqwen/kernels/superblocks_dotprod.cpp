// Types with super-blocks of 256 weights, for NEON with sdot.
#include <arm_neon.h>

#include "kernels/kernels.h"
#include "kernels/panel.h"

namespace qwen::kernels {
namespace {

#include "kernels/common.inl"

#include "kernels/vec_neon.inl"

#include "kernels/dot_dotprod.inl"

#include "kernels/quantized.inl"

void matmul(const Matrix& matrix, const Activations& in, int row_begin, int row_end, float* out,
            std::size_t out_stride, std::byte* scratch) noexcept {
  switch (matrix.type) {
#define QWEN_CASE(type)  \
  case TensorType::type: \
    return quantized_matmul<TensorType::type>(matrix, in, row_begin, row_end, out, out_stride, scratch);
    FOR_EACH_SUPER_BLOCK_TYPE(QWEN_CASE)
#undef QWEN_CASE
    default: return;
  }
}

}  // namespace

const QuantizedMatmul kDotProdSuperBlocks = matmul;

}  // namespace qwen::kernels
