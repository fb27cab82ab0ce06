#include "base/tensor_type.h"

#include <array>
#include <cctype>

#include "base/checked.h"

namespace qwen {
namespace {

constexpr std::array<TensorTypeInfo, 15> kTypes = {{
    {TensorType::f32, "F32", 1, 4},
    {TensorType::f16, "F16", 1, 2},
    {TensorType::bf16, "BF16", 1, 2},
    {TensorType::q8_0, "Q8_0", 32, 34},
    {TensorType::q4_0, "Q4_0", 32, 18},
    {TensorType::q4_1, "Q4_1", 32, 20},
    {TensorType::q5_0, "Q5_0", 32, 22},
    {TensorType::q5_1, "Q5_1", 32, 24},
    {TensorType::q2_k, "Q2_K", 256, 84},
    {TensorType::q3_k, "Q3_K", 256, 110},
    {TensorType::q4_k, "Q4_K", 256, 144},
    {TensorType::q5_k, "Q5_K", 256, 176},
    {TensorType::q6_k, "Q6_K", 256, 210},
    {TensorType::iq4_nl, "IQ4_NL", 32, 18},
    {TensorType::iq4_xs, "IQ4_XS", 256, 136},
}};

}  // namespace

const TensorTypeInfo* find_tensor_type(std::uint32_t gguf_number) noexcept {
  for (const TensorTypeInfo& info : kTypes)
    if (static_cast<std::uint32_t>(info.type) == gguf_number) return &info;
  return nullptr;
}

const TensorTypeInfo* find_tensor_type(std::string_view name) noexcept {
  for (const TensorTypeInfo& info : kTypes) {
    const std::string_view own = info.name;
    bool equal = own.size() == name.size();
    for (std::size_t i = 0; equal && i < own.size(); ++i)
      equal = own[i] == std::toupper(static_cast<unsigned char>(name[i]));
    if (equal) return &info;
  }
  return nullptr;
}

const TensorTypeInfo& info_of(TensorType type) noexcept {
  return *find_tensor_type(static_cast<std::uint32_t>(type));
}

std::size_t row_bytes(TensorType type, std::size_t cols) {
  const TensorTypeInfo& info = info_of(type);
  if (cols % static_cast<std::size_t>(info.block_weights) != 0)
    fail(ErrorCode::bad_format, "a row of ", cols, " weights cannot be ", info.name,
         ": expected a multiple of ", info.block_weights);
  return checked_mul(cols / static_cast<std::size_t>(info.block_weights), info.block_bytes, "bytes of a row");
}

}  // namespace qwen
