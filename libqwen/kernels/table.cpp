#include "kernels/table.h"

#include <algorithm>

#include "base/fail.h"

namespace qwen::kernels {

#if defined(QWEN_PORTABLE_KERNELS)  // the build left the other levels' files out (cmake/QwenOptions.cmake)
const KernelTable* const kAvx2Table = nullptr;
const KernelTable* const kAvxVnniTable = nullptr;
const KernelTable* const kAvx512Table = nullptr;
#endif

unsigned input_form(const Matrix& matrix) noexcept {
  if (!matrix.panels) return kInputRows;
  switch (matrix.type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16: return kInputTiles;
    default: return kInputQ8;
  }
}

// A dequantised row for the exact path; for panels the codes and scales of a part of two panels
// (kernels/quantised.inl) or their floats (kernels/float_matmul.inl).
std::size_t matmul_scratch_bytes(const Matrix& matrix) noexcept {
  constexpr std::size_t kPanelScratch = 128 * 1024;
  return std::max(kPanelScratch, (static_cast<std::size_t>(matrix.cols) + 16) * sizeof(float));
}

namespace {

const KernelTable* find_table(Isa isa) {
  switch (isa) {
    case Isa::scalar: return kScalarTable;
    case Isa::avx2: return kAvx2Table;
    case Isa::avxvnni: return kAvxVnniTable;
    case Isa::avx512: return kAvx512Table;
  }
  return nullptr;
}

}  // namespace

const KernelTable& kernel_table(Isa isa) {
  const KernelTable* table = find_table(isa);
  if (table == nullptr || !isa_supported(isa))
    fail(ErrorCode::unsupported, "instruction set ", to_string(isa),
         ": this CPU or this build cannot run it");
  return *table;
}

const KernelTable& choose_kernel_table() {
  if (const auto isa = requested_isa()) return kernel_table(*isa);
  const KernelTable* best = kScalarTable;
  for (const Isa isa : kAllIsas)
    if (find_table(isa) != nullptr && isa_supported(isa)) best = find_table(isa);
  return *best;
}

}  // namespace qwen::kernels
