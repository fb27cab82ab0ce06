// A loaded model: immutable weights, tokeniser, chat template, thread pool.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/chat_template.h"
#include "qwen/error.h"
#include "qwen/export.h"
#include "qwen/sampler.h"
#include "qwen/tokenizer.h"

namespace qwen {

namespace runtime {
struct ModelState;  // internal
}

// Stages of a load, in order.
struct LoadProgress {
  const char* stage;  // "map", "tokenizer", "pack"
  double fraction;    // of the whole load, 0 to 1
};

// The matrices of float checkpoints, in the types that a file of Q8_0 or Q4_0 has (its output head keeps 6 or
// 8 bits); q4_k takes Q4_K for rows that 256 divides, else Q4_0. A separate embedding stays in the file as it
// is.
enum class QuantizeOnLoad { none, int8, q4, q4_k };

// How positions beyond the trained context are computed. linear divides positions by a factor; yarn divides only
// the slow rotations (https://arxiv.org/abs/2309.00071), as Qwen's documents prescribe beyond 32,768 tokens.
enum class RopeScaling { none, linear, yarn };

// Overrides the rotary position embedding of a file. Unset fields keep the file's values.
struct RopeOptions {
  std::optional<RopeScaling> scaling;
  std::optional<float> factor;            // how many times longer the context becomes; without `scaling`: linear
  std::optional<float> freq_base;         // base of the rotary angles
  std::optional<int> original_context;    // yarn: context before scaling, in tokens
  std::optional<float> ext_factor;        // yarn: 1 keeps fast rotations, 0 divides all as linear does
  std::optional<float> attention_factor;  // yarn: scales queries and keys, beyond YaRN's own 0.1 ln(factor) + 1
  std::optional<float> beta_fast, beta_slow;  // yarn: rotations within the original context that count as fast, slow
};

struct LoadOptions {         // how to load a model
  int threads = 0;           // 0: physical cores that affinity and the cgroup quota allow
  bool pin_threads = false;  // bind each worker thread to one core
  bool reference = false;    // float weights and float activations everywhere: slow, the reference path
  QuantizeOnLoad quantize = QuantizeOnLoad::none;  // float weights only; others keep their type
  RopeOptions rope;
  std::string chat_template;  // "" = the model's own; else a name that ChatTemplate::parse_kind knows
  // Called from the loading thread; returning false stops the load with Error(cancelled).
  std::function<bool(const LoadProgress&)> on_progress;
  // One line for each thing worth a warning, from the loading thread. The library itself never prints.
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
  RopeScaling rope_scaling = RopeScaling::none;
  // Without scaling the rest has its defaults. See RopeOptions.
  float rope_factor = 1;
  int rope_original_context = 0;
  float yarn_ext_factor = 0;
  float yarn_attention_factor = 1;
  float yarn_beta_fast = 32, yarn_beta_slow = 1;
  float rms_eps = 0;       // added to the mean square in norms
  bool tied_head = false;  // the output head is the embedding
  bool qkv_bias = false;   // Qwen1.5, Qwen2, Qwen2.5
  bool qk_norm = false;    // Qwen3
};

struct TensorSummary {        // the tensors of one type
  std::string type;           // "Q8_0", ...
  int count = 0;              // tensors
  std::uint64_t weights = 0;  // numbers in them
  std::uint64_t bytes = 0;    // in the file
};

// All that is known of a model file without its weights being packed.
struct ModelInfo {
  std::string architecture;            // "qwen2" or "qwen3"
  std::string name;                    // general.name, or the file's name
  std::string source;                  // the path it was loaded from, or "builtin"
  std::string file_type;               // "Q4_K_M" and such, as the file says; "" where it does not
  ModelShape shape;                    // of the transformer
  std::vector<TensorSummary> tensors;  // by type, the largest first; empty for a vocabulary-only file
  std::uint64_t parameters = 0;        // weights in all tensors
  std::uint64_t tensor_bytes = 0;      // in the file
  double bits_per_weight = 0;          // tensor_bytes * 8 / parameters
  std::string tokenizer;               // "bpe" or "sentencepiece"
  int vocab_size = 0;                  // Tokenizer::size()
  std::string chat_template;           // ChatTemplate::name(), or "" where the file has none that is known
  std::string chat_template_error;     // why chat_template is "", one line
  SamplingOptions sampling;            // the model's own defaults (generation_config), else the library's
  std::vector<std::string> trained_tasks;  // libqwen.trained_tasks; empty if the file does not name any
  std::vector<std::string> warnings;   // what load() reports through on_log, one line each
};

// What a model will need before it is loaded. All in bytes.
struct MemoryEstimate {
  std::uint64_t weights = 0;   // packed weights
  std::uint64_t kv_cache = 0;  // of all sequences, full
  std::uint64_t scratch = 0;   // activations
  std::uint64_t other = 0;     // tokeniser and the process itself
  std::uint64_t total() const { return weights + kv_cache + scratch + other; }  // the sum
};

// A cheap shared handle. Everything behind it is immutable but the thread pool, which serialises its users:
// any number of Sessions on any number of threads may share one Model.
class QWEN_API Model {
 public:
  // Loads a GGUF file (the first part of a split one) or a Hugging Face directory. Error(not_found) for a
  // file, tensor or key that is missing; Error(io) for what cannot be read, or changes meanwhile;
  // Error(bad_format) for what breaks its format, holds a vocabulary only, or does not fit together;
  // Error(unsupported) for another architecture or type of tensor; Error(invalid_argument) for options out of
  // range; Error(cancelled) by on_progress; Error(out_of_memory).
  static Model load(const std::string& path, const LoadOptions& options = {});
  // The bundled demonstration model. Error(unsupported) where the library was built without it.
  static Model builtin(const LoadOptions& options = {});
  // Reads the metadata of a file or directory; no weights are read. A vocabulary-only GGUF file is fine.
  // Errors of these three as load().
  static ModelInfo inspect(const std::string& path, const LoadOptions& options = {});
  // The tokeniser alone, from any file that load() or inspect() reads.
  static Tokenizer load_tokenizer(const std::string& path);
  // Memory for `sequences` sessions of `context` tokens each; from the file's metadata alone.
  static MemoryEstimate estimate(const std::string& path, int context, int sequences = 1,
                                 const LoadOptions& options = {});

  const ModelInfo& info() const noexcept;                            // what the file says
  const ModelShape& shape() const noexcept { return info().shape; }  // the same as info().shape
  const Tokenizer& tokenizer() const noexcept;                       // text to tokens and back
  // Error(unsupported) where the model has no template that is known and LoadOptions gave none.
  const ChatTemplate& chat_template() const;
  bool is_end_of_turn(Token token) const noexcept;  // <|im_end|>, <|endoftext|>, or named by the file
  int threads() const noexcept;                     // of the pool, the calling one included
  // The ISA level in use: "scalar", "avx2", "avxvnni" or "avx512".
  std::string_view isa() const noexcept;
  // 64-bit digest of configuration, tokeniser and weights' bytes (sampled for large files): what saved
  // sessions and caches are bound to.
  std::uint64_t fingerprint() const noexcept;
  // Bytes held by the weights in their packed form.
  std::uint64_t weight_bytes() const noexcept;

  explicit Model(std::shared_ptr<const runtime::ModelState> state) : state_(std::move(state)) {}  // internal
  const runtime::ModelState& state() const noexcept { return *state_; }                           // internal

 private:
  std::shared_ptr<const runtime::ModelState> state_;
};

}  // namespace qwen
