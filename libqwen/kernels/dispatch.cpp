#include "kernels/kernels.h"

#include <algorithm>

#include "base/fail.h"

namespace qwen::kernels {

#if defined(QWEN_PORTABLE_KERNELS)  // the build left the other levels' files out (cmake/QwenOptions.cmake)
const Kernels* const kAvx2Kernels = nullptr;
const Kernels* const kAvxVnniKernels = nullptr;
const Kernels* const kAvx512Kernels = nullptr;
#endif

unsigned activation_format(const Matrix& matrix) noexcept {
  if (!matrix.panels) return kActivationRows;
  switch (matrix.type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16: return kActivationTiles;
    default: return kActivationQ8;
  }
}

// A dequantised row for the exact path; for panels the codes and scales of a part of two panels
// (kernels/quantized.inl) or their floats (kernels/float_matmul.inl).
std::size_t matmul_scratch_bytes(const Matrix& matrix) noexcept {
  constexpr std::size_t kPanelScratch = 128 * 1024;
  return std::max(kPanelScratch, (static_cast<std::size_t>(matrix.cols) + 16) * sizeof(float));
}

namespace {

const Kernels* find_table(Isa isa) {
  switch (isa) {
    case Isa::scalar: return kScalarKernels;
    case Isa::avx2: return kAvx2Kernels;
    case Isa::avxvnni: return kAvxVnniKernels;
    case Isa::avx512: return kAvx512Kernels;
  }
  return nullptr;
}

}  // namespace

const Kernels& kernels_for(Isa isa) {
  const Kernels* table = find_table(isa);
  if (table == nullptr || !isa_supported(isa))
    fail(ErrorCode::unsupported, "instruction set ", to_string(isa),
         ": this CPU or this build cannot run it");
  return *table;
}

const Kernels& choose_kernels() {
  if (const auto isa = requested_isa()) return kernels_for(*isa);
  const Kernels* best = kScalarKernels;
  for (const Isa isa : kAllIsas)
    if (find_table(isa) != nullptr && isa_supported(isa)) best = find_table(isa);
  return *best;
}

}  // namespace qwen::kernels
