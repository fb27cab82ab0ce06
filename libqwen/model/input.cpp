#include "model/input.h"

#include <cstring>

namespace qwen::model {

void fill(const kernels::KernelTable& kernel, const kernels::Input& view, int token, int first,
          const float* values, int n) noexcept {
  const auto cols = static_cast<std::size_t>(view.cols), width = static_cast<std::size_t>(view.width);
  const auto t = static_cast<std::size_t>(token);
  if (view.rows != nullptr)
    std::memcpy(const_cast<float*>(view.rows) + t * cols + static_cast<std::size_t>(first), values,
                static_cast<std::size_t>(n) * sizeof(float));
  if (view.tiles != nullptr) {
    float* out = const_cast<float*>(view.tiles) +
                 (t / width * cols + static_cast<std::size_t>(first)) * width + t % width;
    for (int i = 0; i < n; ++i) out[static_cast<std::size_t>(i) * width] = values[i];
  }
  if (view.q != nullptr)
    for (int i = 0; i < n; i += kernels::kBlock)
      kernel.quantize_block(values + i, token, (first + i) / kernels::kBlock, view);
}

}  // namespace qwen::model
