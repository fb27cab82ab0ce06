// GGUF, versions 2 and 3, little-endian: docs/formats.md has the layout byte by byte.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "formats/model_file.h"

namespace qwen::formats {

inline constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF" as little-endian bytes
inline constexpr std::size_t kGgufDefaultAlignment = 32;
inline constexpr std::size_t kGgufMaxTensorName = 64;  // the limit that the format sets
inline constexpr std::size_t kGgufMaxKey = 65535;
inline constexpr std::size_t kGgufMaxDimensions = 4;

// Bytes of one element of a fixed-size type; 0 for strings, arrays and unknown types.
std::size_t meta_type_bytes(MetaType type) noexcept;
// "u32", "string", ...; "unknown" for unknown types.
const char* name_of(MetaType type) noexcept;

// Opens a GGUF file on disk; for the first file of a split model, all of its files.
std::shared_ptr<const ModelFile> open_gguf_file(const std::string& path);

}  // namespace qwen::formats
