// Where in a block of a quantised type its half-precision numbers are.
#pragma once
#include <cstddef>
#include <vector>

#include "base/tensor_type.h"

namespace qwen::test {

inline std::vector<std::size_t> half_offsets(TensorType type) {
  switch (type) {
    case TensorType::q4_1:
    case TensorType::q5_1:
    case TensorType::q4_k:
    case TensorType::q5_k: return {0, 2};
    case TensorType::q2_k: return {80, 82};
    case TensorType::q3_k: return {108};
    case TensorType::q6_k: return {208};
    default: return {0};
  }
}

}  // namespace qwen::test
