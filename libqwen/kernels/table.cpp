#include "kernels/table.h"

#include <algorithm>

#include "base/fail.h"

namespace qwen::kernels {

unsigned input_form(const Matrix& matrix) noexcept {
  if (!matrix.panels) return kInputRows;
  switch (matrix.type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16: return kInputTiles;
    default: return kInputQ8;
  }
}

// A dequantised row for the exact path; for panels the codes and scales of a part of two panels (kernels/quantised.inl)
// or their floats (kernels/float_matmul.inl).
std::size_t matmul_scratch_bytes(const Matrix& matrix) noexcept {
  constexpr std::size_t kPanelScratch = 128 * 1024;
  return std::max(kPanelScratch, (static_cast<std::size_t>(matrix.cols) + 16) * sizeof(float));
}

const KernelTable& kernel_table(Isa isa) {
  const KernelTable* table = nullptr;
  switch (isa) {
    case Isa::scalar: table = kScalarTable; break;
    case Isa::avx2: table = kAvx2Table; break;
    case Isa::avxvnni: table = kAvxVnniTable; break;
    case Isa::avx512: table = kAvx512Table; break;
  }
  if (table == nullptr || !isa_supported(isa))
    fail(ErrorCode::unsupported, "instruction set ", to_string(isa), ": this CPU or this build cannot run it");
  return *table;
}

}  // namespace qwen::kernels
