// A safetensors file.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/checked.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  qwen::formats::ModelFile owner("fuzz");
  try {
    std::size_t covered = 0;
    for (const auto& tensor : qwen::formats::read_safetensors(bytes, "fuzz.safetensors", owner)) {
      std::size_t expected = qwen::info_of(tensor.type).block_bytes;
      for (const std::size_t n : tensor.shape) expected *= n;
      if (expected != tensor.data.size()) std::abort();
      covered += expected;
      if (!tensor.data.empty() && &tensor.data.back() > &bytes.back()) std::abort();
    }
    if (covered >= size) std::abort();
  } catch (const qwen::Error&) {
  }
  return 0;
}
