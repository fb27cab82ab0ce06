// A loaded model: immutable weights, tokenizer, chat template, threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/chat_template.h"
#include "qwen/error.h"
#include "qwen/export.h"
#include "qwen/sampler.h"
#include "qwen/tokenizer.h"

namespace qwen {

class Model;

namespace runtime {
struct ModelState;
struct Access;
}  // namespace runtime

// Stages of a load, in order.
struct LoadProgress {
  const char* stage;  // "map", "tokenizer", "pack"
  double fraction;    // of the whole load, 0 to 1
};

// Converts the matrices of float checkpoints to the types of a Q8_0 or Q4_0 file (whose output head has 6 or 8 bits);
// q4_k uses Q4_K for rows that 256 divides, else Q4_0. A separate embedding is not quantized.
enum class QuantizeOnLoad { none, int8, q4, q4_k };

// How positions beyond the trained context are computed. linear divides positions by a factor; yarn divides only
// the slow rotations (https://arxiv.org/abs/2309.00071), as Qwen's documents prescribe beyond 32,768 tokens.
enum class RopeScaling { none, linear, yarn };

// Overrides the rotary position embedding of a file. Unset fields keep the file's values.
struct RopeOptions {
  std::optional<RopeScaling> scaling;  // none turns scaling off
  std::optional<float> factor;         // how many times longer the context becomes; without `scaling`: linear
  std::optional<float> freq_base;      // base of the rotary angles
  std::optional<int> original_context;  // yarn: context before scaling, in tokens
  std::optional<float> ext_factor;      // yarn: 1 keeps fast rotations, 0 divides all as linear does
  // yarn: scales queries and keys, beyond YaRN's own 0.1 ln(factor) + 1.
  std::optional<float> attention_factor;
  std::optional<float> beta_fast;  // yarn: a frequency with more rotations in that context is kept
  std::optional<float> beta_slow;  // yarn: one with fewer is divided by the factor
};

// How a model is loaded.
struct LoadOptions {
  int threads = 0;           // 0: physical cores that affinity and the cgroup quota allow
  bool pin_threads = false;  // bind each worker thread to one core
  // Uses the threads of this model, which is only read during the load; `threads` and `pin_threads` must be unset.
  // Forward passes of both models then take turns.
  const Model* share_threads_with = nullptr;
  bool reference = false;  // float weights and float activations everywhere: the slow reference path
  QuantizeOnLoad quantize = QuantizeOnLoad::none;  // float weights only; others keep their type
  RopeOptions rope;                                // unset: the file's
  std::string chat_template;  // "": the model's own; else the name of a built-in one, or Jinja text
  // Called in the loading thread; returning false stops the load with Error(cancelled).
  std::function<bool(const LoadProgress&)> on_progress;
  // Gets warnings, one line each, in the loading thread. The library itself never prints.
  std::function<void(std::string_view line)> on_log;
};

// The shape of the transformer. All counts are checked to be at least 1 and consistent when a model is
// loaded.
struct ModelShape {
  int layers = 0;          // of attention and feed-forward
  int hidden = 0;          // width of the residual stream
  int heads = 0;           // query heads
  int kv_heads = 0;        // key/value heads; heads % kv_heads == 0
  int head_dim = 0;        // even
  int ffn = 0;             // width of the gated feed-forward layer
  int embedding_rows = 0;  // rows of the embedding, at least Tokenizer::size()
  int max_context = 0;     // positions the model was trained for, times the factor of RoPE scaling
  float rope_theta = 0;    // the base of the rotary angles
  RopeScaling rope_scaling = RopeScaling::none;  // of positions beyond the trained context
  // Without scaling the rest has its defaults. See RopeOptions.
  float rope_factor = 1;            // positions, or slow rotations, are divided by it
  int rope_original_context = 0;    // positions before scaling
  float yarn_ext_factor = 0;        // 0 to 1
  float yarn_attention_factor = 1;  // beyond YaRN's own 0.1 ln(factor) + 1
  float yarn_beta_fast = 32;        // rotations from here on are kept
  float yarn_beta_slow = 1;         // rotations up to here are divided
  float rms_eps = 0;                // added to the mean square in norms
  bool tied_head = false;           // the output head is the embedding
  bool qkv_bias = false;            // Qwen1.5, Qwen2, Qwen2.5
  bool qk_norm = false;             // Qwen3
};

struct TensorSummary {        // all tensors of one type
  std::string type;           // "Q8_0", ...
  int count = 0;              // tensors
  std::uint64_t weights = 0;  // numbers in them
  std::uint64_t bytes = 0;    // in the file
};

// What a model file says, without its weights.
struct ModelInfo {
  std::string architecture;                // "qwen2" or "qwen3"
  std::string name;                        // general.name, or the file's name
  std::string source;                      // the path it was loaded from, "memory" or "builtin"
  std::string file_type;                   // "Q4_K_M" and such, as the file says; "" if it does not
  ModelShape shape;                        // of the transformer
  std::vector<TensorSummary> tensors;      // by type, the largest first; empty for a vocabulary-only file
  std::uint64_t parameters = 0;            // weights in all tensors
  std::uint64_t tensor_bytes = 0;          // in the file
  double bits_per_weight = 0;              // tensor_bytes * 8 / parameters
  std::string tokenizer;                   // "bpe" or "sentencepiece"
  int vocab_size = 0;                      // Tokenizer::size()
  std::string chat_template;               // ChatTemplate::name(), or "" if the file has no usable one
  std::string chat_template_error;         // why chat_template is "", one line
  SamplingOptions sampling;                // the model's own defaults (generation_config), else the library's
  std::vector<std::string> trained_tasks;  // libqwen.trained_tasks; empty if the file does not name any
  std::vector<std::string> warnings;       // what load() reports through on_log, before chat_template_error
};

// Memory that a model will need, in bytes.
struct MemoryEstimate {
  std::uint64_t weights = 0;   // packed weights
  std::uint64_t kv_cache = 0;  // of all sequences, full
  std::uint64_t scratch = 0;   // activations
  std::uint64_t other = 0;     // tokenizer and the process itself
  std::uint64_t total() const { return weights + kv_cache + scratch + other; }  // the sum
};

// A cheap shared handle: copies share everything. Any number of Sessions and Engines on any number of threads may use
// one Model; forward passes take turns at its threads.
class QWEN_API Model {
 public:
  // Loads a GGUF file (the first part of a split one) or a Hugging Face directory.
  // Throws Error(not_found) if a file, tensor or metadata key is missing.
  // Throws Error(io) if the file cannot be read or changes during loading.
  // Throws Error(bad_format) if it is malformed, has no weights, or its tensors do not match its metadata.
  // Throws Error(unsupported) for another architecture or tensor type.
  // Throws Error(invalid_argument) for options out of range.
  // Throws Error(cancelled) if on_progress returned false.
  // Throws Error(out_of_memory) if the system refuses memory or threads.
  static Model load(const std::string& path, const LoadOptions& options = {});
  // Loads a GGUF file from memory. The bytes must start at a multiple of 64, and stay valid and unchanged as long as a
  // copy of the model exists.
  // Throws Error(invalid_argument) if they start elsewhere, Error(unsupported) for a part of a split file, and as
  // load().
  static Model load_memory(std::span<const std::byte> gguf, const LoadOptions& options = {});
  // The bundled demonstration model. Throws Error(unsupported) if the library was built without it.
  static Model builtin(const LoadOptions& options = {});
  // Reads the metadata of a file or directory; no weights are read. A vocabulary-only GGUF file is fine.
  // Throws as load().
  static ModelInfo inspect(const std::string& path, const LoadOptions& options = {});
  // The tokenizer alone, from any file that load() or inspect() reads.
  static Tokenizer load_tokenizer(const std::string& path);
  // The chat template alone, with its tokenizer, from any file that load() or inspect() reads. Of the options
  // only chat_template counts. Throws as load(); unsupported if there is no template that can be used.
  static ChatTemplate load_chat_template(const std::string& path, const LoadOptions& options = {});
  // Memory for `sequences` sessions of `context` tokens each; from the file's metadata alone.
  static MemoryEstimate estimate(const std::string& path, int context, int sequences = 1,
                                 const LoadOptions& options = {});

  const ModelInfo& info() const noexcept;                            // what the file says
  const ModelShape& shape() const noexcept { return info().shape; }  // the same as info().shape
  const Tokenizer& tokenizer() const noexcept;                       // text to tokens and back
  // Throws Error(unsupported) if the model has no usable template and LoadOptions named none.
  const ChatTemplate& chat_template() const;
  bool is_end_of_turn(Token token) const noexcept;  // <|im_end|>, <|endoftext|>, or named by the file
  int threads() const noexcept;                     // of the pool, the calling one included
  // The instruction set in use: "scalar", "avx2", "avxvnni" or "avx512"; on ARM "neon", "dotprod" or "i8mm".
  std::string_view isa() const noexcept;
  // 64-bit digest of configuration, tokenizer and weights' bytes (sampled for large files). Saved
  // sessions and caches are bound to it.
  std::uint64_t fingerprint() const noexcept;
  // Bytes held by the weights in their packed form.
  std::uint64_t weight_bytes() const noexcept;

 private:
  friend struct runtime::Access;
  explicit Model(std::shared_ptr<const runtime::ModelState> state) : state_(std::move(state)) {}
  std::shared_ptr<const runtime::ModelState> state_;
};

}  // namespace qwen
