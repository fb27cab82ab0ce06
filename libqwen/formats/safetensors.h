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
  std::string_view name;  // as in the file
  TensorType type;        // f32, f16 or bf16
  std::vector<std::size_t> shape;
  std::span<const std::byte> data;
};

// The tensors of one file, in the order of their bytes. `bytes` is a mapped file of `owner`, which also owns
// names that the JSON escapes.
// Throws bad_format if a rule of the format is broken: header size, duplicate names, holes, overlaps, sizes
// that differ from shape times type, trailing bytes.
// Throws unsupported if a tensor has another type.
std::vector<SafeTensor> read_safetensors(std::span<const std::byte> bytes, const std::string& file,
                                         ModelFile& owner);

}  // namespace qwen::formats
