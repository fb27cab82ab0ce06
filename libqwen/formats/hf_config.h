// config.json and generation_config.json of a Hugging Face directory, in GGUF's terms.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/model_file.h"

namespace qwen::formats {

// The JSON files read here are small; a limit keeps a wrong file from being read for long.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;

struct HfConfig {
  std::string architecture;  // "qwen2" or "qwen3"
  int hidden = 0, layers = 0, heads = 0, kv_heads = 0, ffn = 0, vocab = 0, max_context = 0;
  std::optional<int> head_dim;  // where it is not hidden / heads
  double rope_theta = 10000.0;  // the default of the reference, as are the next two
  double rms_eps = 1e-6;
  bool tied_head = false;
  std::vector<std::int32_t> bos, eos;  // as config.json has them
};

// Reads and checks `path`; what this library does not implement is refused by name.
HfConfig read_hf_config(const std::string& path);
// Adds general.architecture and the keys of the architecture.
void add_hf_config(const HfConfig& config, ModelFile& out);
// Adds general.sampling.* and qwen.generation.eos_token_ids (an array of i32: every token that ends a turn).
void add_generation_config(const std::string& path, ModelFile& out);

}  // namespace qwen::formats
