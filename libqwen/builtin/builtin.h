// The file of the bundled model.
#pragma once
#include <cstddef>
#include <span>

namespace qwen::builtin {

// The GGUF file, which lives as long as the program; empty if this build has no bundled model.
std::span<const std::byte> model_file() noexcept;

}  // namespace qwen::builtin
