// safetensors: 8 bytes of header length, a JSON header, the tensors' bytes.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/model_file.h"

namespace qwen::formats {

struct SafeTensor {
  std::string_view name;  // as in the file, kept by the ModelFile
  TensorType type;        // f32, f16 or bf16
  std::vector<std::size_t> shape;
  std::span<const std::byte> data;
};

// The tensors of one file, in the order of their bytes. `bytes` belongs to a part of `owner`, which also
// keeps names that the JSON escapes. All rules of the format are checked: the header's size, no duplicate
// names, no holes or overlaps, sizes equal to shape times type, the whole file covered. Error(unsupported)
// for another type of tensor.
std::vector<SafeTensor> read_safetensors(std::span<const std::byte> bytes, const std::string& file,
                                         ModelFile& owner);

}  // namespace qwen::formats
