// Models with the shapes of real ones and synthetic weights: no download, no disk.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor_type.h"

namespace qwen::bench {

struct SyntheticShape {
  const char* name;
  const char* architecture;  // "qwen2" or "qwen3"
  int layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context;
  bool tied_head;
};

const std::vector<SyntheticShape>& synthetic_shapes();
// Types and presets of a synthetic model.
const std::vector<std::string>& synthetic_types();

// "qwen2.5-0.5b:q4_k_m": a shape's name and a type or preset. Throws invalid_argument with the known names.
struct SyntheticSpec {
  SyntheticShape shape;
  std::string type;
  std::string vocabulary;  // a model file whose tokenizer is used; "": a synthetic one
};
SyntheticSpec parse_synthetic(std::string_view text);

struct PlannedTensor {
  std::string name;
  TensorType type;
  std::vector<std::size_t> shape;  // slowest first
};
// Every tensor with the type that llama.cpp's quantizer chooses for the preset without an importance matrix, including its fallbacks
// for rows that are not a multiple of the block size.
std::vector<PlannedTensor> plan_tensors(const SyntheticSpec& spec);

// Writes the model as GGUF: blocks drawn from a seeded stock of quantized heavy-tailed weights, and a synthetic vocabulary of the right
// size. The same spec and seed give the same bytes.
void write_synthetic(const SyntheticSpec& spec, const std::string& path, std::uint64_t seed = 1);

// A model in memory: path() can be loaded like a file while the object exists, and does not count as resident memory of
// the process.
class ModelInMemory {
 public:
  explicit ModelInMemory(const SyntheticSpec& spec, std::uint64_t seed = 1);
  // A copy of the bundled model. Throws Error(unsupported) if this build has none.
  static std::unique_ptr<ModelInMemory> bundled();
  ModelInMemory(const ModelInMemory&) = delete;
  ModelInMemory& operator=(const ModelInMemory&) = delete;
  ~ModelInMemory();
  const std::string& path() const noexcept { return path_; }

 private:
  explicit ModelInMemory(const char* name);
  int fd_ = -1;
  std::string path_;
};

}  // namespace qwen::bench
