// config.json, and the same bytes as generation_config.json.
#include <cstdint>
#include <cstdlib>

#include "formats/hf_directory.h"
#include "fuzz/memory_file.h"
#include "qwen/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qwen::fuzz::MemoryFile file(data, size);
  qwen::formats::ModelFile out("fuzz");
  try {
    const auto config = qwen::formats::read_hf_config(file.path());
    if (config.heads < 1 || config.heads % config.kv_heads != 0) std::abort();
    qwen::formats::add_hf_config(config, out);
    if (out.integer(config.architecture + ".block_count") != config.layers) std::abort();
  } catch (const qwen::Error&) {
  }
  try {
    qwen::formats::add_generation_config(file.path(), out);
  } catch (const qwen::Error&) {
  }
  return 0;
}
