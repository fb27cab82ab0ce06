// Filling the inputs of matrices.
#pragma once
#include "kernels/table.h"

namespace qwen::model {

// Puts n values of one token, from column `first` on, into every form that the view has. first and n are
// multiples of a block where the view has q8.
void fill(const kernels::KernelTable& kernel, const kernels::Input& view, int token, int first,
          const float* values, int n) noexcept;

}  // namespace qwen::model
