#include "kernels/kernels.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/fail.h"
#include "kernels/panel.h"

namespace qwen::kernels {

unsigned activation_format(const Matrix& matrix) noexcept {
  if (!matrix.panels) return kActivationRows;
  switch (matrix.type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16: return kActivationTiles;
    default: return kActivationQ8;
  }
}

// A dequantized row for reference_matmul; for panels the unpacked codes and scales of quantized.inl.
std::size_t matmul_scratch_bytes(const Matrix& matrix) noexcept {
  constexpr std::size_t kPanelScratch = 128 * 1024;
  return std::max(kPanelScratch, (static_cast<std::size_t>(matrix.cols) + 16) * sizeof(float));
}

namespace {

struct Parts {
  Isa isa;
  const FloatKernels* floats;
  const BlockKernels* blocks;
  QuantizedMatmul super_blocks;
};

// The levels of this build, in the order of kAllIsas.
std::span<const Kernels> levels() {
  static const std::vector<Kernels> all = [] {
    const Parts parts[] = {
      {Isa::scalar, kScalarFloat, kScalarBlocks, kScalarSuperBlocks},
#if defined(QWEN_PORTABLE_KERNELS)  // the build left the other levels' files out (cmake/QwenOptions.cmake)
#elif defined(__x86_64__)
      {Isa::avx2, kAvx2Float, kAvx2Blocks, kAvx2SuperBlocks},
      {Isa::avxvnni, kAvx2Float, kAvxVnniBlocks, kAvxVnniSuperBlocks},
      {Isa::avx512, kAvx512Float, kAvx512Blocks, kAvx512SuperBlocks},
#elif defined(__aarch64__)
      {Isa::neon, kNeonFloat, kNeonBlocks, kNeonSuperBlocks},
      {Isa::dotprod, kNeonFloat, kDotProdBlocks, kDotProdSuperBlocks},
      {Isa::i8mm, kNeonFloat, kI8mmBlocks, kI8mmSuperBlocks},
#endif
    };
    std::vector<Kernels> kernels;
    for (const Parts& p : parts) kernels.push_back({*p.floats, *p.blocks, p.super_blocks, p.isa});
    return kernels;
  }();
  return all;
}

}  // namespace

void Kernels::matmul(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                     std::size_t out_stride, std::byte* scratch) const noexcept {
  if (!matrix.panels) return reference_matmul(matrix, input, row_begin, row_end, out, out_stride, scratch);
  if (activation_format(matrix) == kActivationTiles)
    return float_matmul(matrix, input, row_begin, row_end, out, out_stride);
  const bool blocks = panel_format(matrix.type).record_blocks() == 2;
  (blocks ? block_matmul : super_block_matmul)(matrix, input, row_begin, row_end, out, out_stride, scratch);
}

const Kernels& kernels_for(Isa isa) {
  for (const Kernels& kernels : levels())
    if (kernels.isa == isa && isa_supported(isa)) return kernels;
  fail(ErrorCode::unsupported, "instruction set ", to_string(isa), ": this CPU or this build cannot run it");
}

const Kernels& choose_kernels() {
  if (const auto isa = requested_isa()) return kernels_for(*isa);
  const Kernels* best = nullptr;
  for (const Kernels& kernels : levels())
    if (isa_supported(kernels.isa)) best = &kernels;
  return *best;
}

}  // namespace qwen::kernels
