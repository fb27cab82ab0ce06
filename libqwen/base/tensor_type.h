// The storage types of tensors, numbered as in GGUF, with the size of their blocks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace qwen {

// The numbers are GGUF's (ggml_type); other numbers are unsupported types.
enum class TensorType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  bf16 = 30,
};

struct TensorTypeInfo {
  TensorType type;
  const char* name;   // as GGUF tools print it: "Q4_K"
  int block_weights;  // weights in a block, along a row; every row is a whole number of blocks
  std::size_t block_bytes;
};

// Null if the number is not a known type.
const TensorTypeInfo* find_tensor_type(std::uint32_t gguf_number) noexcept;
// By name, in any letter case: "q4_k", "BF16". Null if the name is unknown.
const TensorTypeInfo* find_tensor_type(std::string_view name) noexcept;
const TensorTypeInfo& info_of(TensorType type) noexcept;
inline const char* name_of(TensorType type) noexcept {
  return info_of(type).name;
}

// Bytes of one row of `cols` weights. Throws bad_format if cols is not a multiple of the block.
std::size_t row_bytes(TensorType type, std::size_t cols);

}  // namespace qwen
