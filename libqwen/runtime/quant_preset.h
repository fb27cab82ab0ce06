// The presets of storage types that the field knows by name: which tensor gets which type.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/tensor_type.h"
#include "formats/model_file.h"
#include "qwen/model.h"

namespace qwen::runtime {

struct QuantPreset {
  const char* name;         // "Q4_K_M"
  const char* alias;        // another name for it, or ""
  std::uint32_t file_type;  // GGUF's general.file_type
  TensorType base;          // of the tensors that no rule singles out
  const char* description;
};

std::span<const QuantPreset> all_quant_presets() noexcept;
// By name or alias, in any letter case. Null if there is none.
const QuantPreset* find_quant_preset(std::string_view name) noexcept;
// By general.file_type. Null if there is none.
const QuantPreset* find_quant_preset(std::uint32_t file_type) noexcept;

// What the rules look at.
struct TensorRole {
  std::string_view name;  // "blk.3.attn_v.weight"
  int layer = 0;          // 3; 0 outside of the layers
  int layers = 1;
  int heads_per_kv = 1;
  bool is_head = false;  // the matrix that makes the logits: output.weight, or the embedding where it is tied
};

// The places of one model's tensors.
class TensorRoles {
 public:
  explicit TensorRoles(const formats::ModelFile& file);
  TensorRole of(std::string_view name) const;

 private:
  int layers_ = 1, heads_per_kv_ = 1;
  bool tied_ = false;
};

// The type that `preset` gives to a matrix whose rows any block divides. The choices are those of
// llama-quantize without an importance matrix, so that a file named Q4_K_M is what people expect of one.
TensorType preset_type(const QuantPreset& preset, const TensorRole& role) noexcept;

// The nearest type with blocks that divide rows of `cols` weights: `type` itself where its own do.
TensorType fallback_type(TensorType type, std::size_t cols) noexcept;

// The type in which a matrix is kept where LoadOptions::quantize asks for smaller weights: as in a file of
// Q8_0 or Q4_0 (whose head keeps more bits); q4_k puts Q4_K where that has Q4_0 and the rows allow. Only
// float types are changed.
TensorType type_on_load(QuantizeOnLoad how, const TensorRole& role, TensorType stored,
                        std::size_t cols) noexcept;
// The same as a function of a tensor of `file`; empty where every tensor keeps its type.
std::function<TensorType(const formats::Tensor&)> types_on_load(QuantizeOnLoad how,
                                                                const formats::ModelFile& file);

}  // namespace qwen::runtime
