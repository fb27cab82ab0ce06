// Hugging Face model directories, translated to GGUF's keys and tensor names.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "formats/model_file.h"

namespace qwen::formats {

std::shared_ptr<const ModelFile> open_hf_directory(const std::string& path);

// The rest is shared between the readers of a directory's files.

// Limit for the small JSON files.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;

// False also if the path cannot be examined (permissions).
inline bool file_exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// rope_theta with rope_scaling or rope_parameters. Missing values stay missing.
struct HfRope {
  std::optional<double> theta;
  std::string type;  // "", "default", "linear" or "yarn"
  std::optional<double> factor, original_context, attention_factor, beta_fast, beta_slow, mscale,
      mscale_all_dim;
};

// config.json
struct HfConfig {
  std::string architecture;  // "qwen2" or "qwen3"
  int hidden = 0, layers = 0, heads = 0, kv_heads = 0, ffn = 0, vocab = 0, max_context = 0;
  std::optional<int> head_dim;  // set if it differs from hidden / heads
  // Defaults of the reference implementation.
  double rms_eps = 1e-6;
  bool tied_head = false;
  bool attention_bias = false;
  bool use_sliding_window = false;
  int sliding_window = 4096, max_window_layers = 28;
  std::optional<double> rope_theta;  // rope.theta has precedence
  HfRope rope;
  std::vector<std::int32_t> bos, eos;
};

// Throws bad_format if a key is missing or a value is malformed or inconsistent.
// Throws unsupported for features that are not implemented, by name.
HfConfig read_hf_config(const std::string& path);
// Adds general.architecture and the keys of the architecture.
void add_hf_config(const HfConfig& config, ModelFile& out);
// generation_config.json: adds general.sampling.* and qwen.generation.eos_token_ids (an array of i32 with every
// token that ends a turn).
void add_generation_config(const std::string& path, ModelFile& out);
// Adds tokenizer.*. Reads the first of tokenizer.model (SentencePiece), tokenizer.json, and vocab.json with
// merges.txt; and, if present, tokenizer_config.json, added_tokens.json with special_tokens_map.json, and
// chat_template.jinja. Embedding rows without a token become unused tokens "[PADn]". Further keys:
//   qwen.sentencepiece.model         u8 array: the whole tokenizer.model
//   qwen.tokenizer.added_token_flags i32 array: id, flags (formats::AddedTokenFlag), id, flags, ...
void add_hf_tokenizer(const std::string& folder, const HfConfig& config, ModelFile& out);

}  // namespace qwen::formats
