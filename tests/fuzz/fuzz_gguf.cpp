// A GGUF file: opened, every value and tensor touched.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/aligned_buffer.h"
#include "formats/model_file.h"
#include "qwen/error.h"

namespace {

std::size_t touch(const qwen::formats::ModelFile& file) {
  std::size_t sum = 0;
  for (const auto& [key, value] : file.metadata()) {
    sum += value.string.size();
    for (const auto text : value.strings) sum += text.empty() ? 0 : static_cast<std::size_t>(text.back());
    for (const std::byte b : value.numbers) sum += std::to_integer<std::size_t>(b);
    try {
      sum += file.integers(key).size();
      sum += file.floats(key).size();
    } catch (const qwen::Error&) {
    }
    if (file.find(key) != &value) std::abort();
  }
  for (const auto& tensor : file.tensors()) {
    if (tensor.data.size() != tensor.rows() * qwen::row_bytes(tensor.type, tensor.cols())) std::abort();
    sum +=
        std::to_integer<std::size_t>(tensor.data.front()) + std::to_integer<std::size_t>(tensor.data.back());
    if (file.find_tensor(tensor.name) != &tensor) std::abort();
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qwen::AlignedBuffer copy = [&] {
    qwen::AlignedBuffer buffer(size);
    if (size > 0) std::memcpy(buffer.data(), data, size);
    return buffer;
  }();
  try {
    touch(*qwen::formats::open_gguf_memory({copy.data(), size}, "fuzz.gguf"));
  } catch (const qwen::Error&) {
  }
  return 0;
}
