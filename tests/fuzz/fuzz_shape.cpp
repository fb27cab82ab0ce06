// The shape and the rotary angles from a GGUF file's metadata.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/aligned_buffer.h"
#include "model/config.h"
#include "model/rope.h"
#include "qwen/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  qwen::AlignedBuffer copy(size);
  if (size > 0) std::memcpy(copy.data(), data, size);
  try {
    const auto file = qwen::formats::open_gguf_memory({copy.data(), size}, "fuzz.gguf");
    std::vector<std::string> warnings;
    const qwen::ModelShape shape = qwen::model::read_shape(*file, {}, &warnings);
    if (shape.heads % shape.kv_heads != 0 || shape.max_context < 1 || !(shape.rope_factor > 0)) std::abort();
    const qwen::model::RopeTable table = qwen::model::make_rope_table(shape);
    if (table.frequencies.size() * 2 != static_cast<std::size_t>(shape.head_dim)) std::abort();
    for (const double frequency : table.frequencies)
      if (!std::isfinite(frequency) || frequency < 0) std::abort();
    if (!std::isfinite(table.magnitude) || table.magnitude <= 0) std::abort();
  } catch (const qwen::Error&) {
  }
  return 0;
}
