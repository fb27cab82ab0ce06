#include "runtime/quant_preset.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace qwen::runtime {
namespace {

using enum TensorType;

constexpr QuantPreset kMixtures[] = {
    {"F32", "", 0, f32, "float, as it is"},
    {"F16", "", 1, f16, "half precision"},
    {"BF16", "", 32, bf16, "bfloat16: what the official checkpoints hold"},
    {"Q8_0", "", 7, q8_0, "8 bits, next to no loss"},
    {"Q6_K", "", 18, q6_k, "6 bits"},
    {"Q5_K_M", "Q5_K", 17, q5_k, "5 bits, the most sensitive tensors in Q6_K"},
    {"Q5_K_S", "", 16, q5_k, "5 bits"},
    {"Q5_1", "", 9, q5_1, "5 bits with an offset"},
    {"Q5_0", "", 8, q5_0, "5 bits, plain"},
    {"Q4_K_M", "Q4_K", 15, q4_k, "4 bits, the most sensitive tensors in Q6_K"},
    {"Q4_K_S", "", 14, q4_k, "4 bits, some tensors in Q5_K"},
    {"Q4_1", "", 3, q4_1, "4 bits with an offset"},
    {"Q4_0", "", 2, q4_0, "4 bits, plain: the fastest"},
    {"IQ4_NL", "", 25, iq4_nl, "4 bits on an uneven grid"},
    {"IQ4_XS", "", 30, iq4_xs, "4.25 bits on an uneven grid"},
    {"Q3_K_L", "", 13, q3_k, "3 bits, half of the tensors in Q5_K"},
    {"Q3_K_M", "Q3_K", 12, q3_k, "3 bits, half of the tensors in Q4_K"},
    {"Q3_K_S", "", 11, q3_k, "3 bits"},
    {"Q2_K", "", 10, q2_k, "2 bits, a third of the tensors in Q3_K: for experiments"},
    {"Q2_K_S", "", 21, q2_k, "2 bits: for experiments"},
};

bool same_name(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

// The first and the last eighth of the layers, and every third between them.
bool sensitive(int layer, int layers) noexcept {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

TensorType attention_value_type(const QuantPreset& preset, const TensorRole& role) noexcept {
  const bool wide = role.heads_per_kv >= 4;  // the matrix is small then, and many heads live on it
  switch (preset.file_type) {
    case 10: return wide ? q4_k : q3_k;                                       // Q2_K
    case 12: return role.layer < 2 ? q5_k : q4_k;                             // Q3_K_M
    case 13: return q5_k;                                                     // Q3_K_L
    case 14: return role.layer < 4 ? q5_k : q4_k;                             // Q4_K_S
    case 15:                                                                  // Q4_K_M
    case 17: return sensitive(role.layer, role.layers) ? q6_k : preset.base;  // Q5_K_M
    case 25:                                                                  // IQ4_NL
    case 30: return wide ? q5_k : preset.base;                                // IQ4_XS
    default: return preset.base;
  }
}

TensorType ffn_down_type(const QuantPreset& preset, const TensorRole& role) noexcept {
  switch (preset.file_type) {
    case 10: return q3_k;                                                     // Q2_K
    case 12: return role.layer < role.layers / 16 ? q5_k : q4_k;              // Q3_K_M
    case 13: return q5_k;                                                     // Q3_K_L
    case 15:                                                                  // Q4_K_M
    case 17: return sensitive(role.layer, role.layers) ? q6_k : preset.base;  // Q5_K_M
    case 14:                                                                  // Q4_K_S
    case 25:                                                                  // IQ4_NL
    case 30: return role.layer < role.layers / 8 ? q5_k : preset.base;        // IQ4_XS
    default: return preset.base;
  }
}

TensorType attention_output_type(const QuantPreset& preset) noexcept {
  switch (preset.file_type) {
    case 10: return q3_k;  // Q2_K
    case 12: return q4_k;  // Q3_K_M
    case 13: return q5_k;  // Q3_K_L
    default: return preset.base;
  }
}

}  // namespace

std::span<const QuantPreset> all_quant_presets() noexcept {
  return kMixtures;
}

const QuantPreset* find_quant_preset(std::string_view name) noexcept {
  for (const QuantPreset& preset : kMixtures)
    if (same_name(preset.name, name) || (*preset.alias && same_name(preset.alias, name))) return &preset;
  return nullptr;
}

const QuantPreset* find_quant_preset(std::uint32_t file_type) noexcept {
  for (const QuantPreset& preset : kMixtures)
    if (preset.file_type == file_type) return &preset;
  return nullptr;
}

TensorRoles::TensorRoles(const formats::ModelFile& file) : tied_(!file.find_tensor("output.weight")) {
  const std::string arch(file.optional_string("general.architecture").value_or(""));
  const std::int64_t layers = file.optional_integer(arch + ".block_count").value_or(1);
  const std::int64_t heads = file.optional_integer(arch + ".attention.head_count").value_or(1);
  const std::int64_t kv_heads = file.optional_integer(arch + ".attention.head_count_kv").value_or(heads);
  layers_ = static_cast<int>(std::clamp<std::int64_t>(layers, 1, 1 << 16));
  if (kv_heads > 0) heads_per_kv_ = static_cast<int>(std::clamp<std::int64_t>(heads / kv_heads, 1, 1 << 16));
}

TensorRole TensorRoles::of(std::string_view name) const {
  TensorRole role{name, 0, layers_, heads_per_kv_, name == (tied_ ? "token_embd.weight" : "output.weight")};
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), role.layer);
  return role;
}

TensorType preset_type(const QuantPreset& preset, const TensorRole& role) noexcept {
  if (info_of(preset.base).block_weights == 1) return preset.base;
  if (role.is_head) return preset.base == q8_0 ? q8_0 : q6_k;
  if (role.name.ends_with("attn_v.weight")) return attention_value_type(preset, role);
  if (role.name.ends_with("ffn_down.weight")) return ffn_down_type(preset, role);
  if (role.name.ends_with("attn_output.weight")) return attention_output_type(preset);
  return preset.base;
}

TensorType fallback_type(TensorType type, std::size_t cols) noexcept {
  const auto fits = [cols](TensorType t) {
    return cols % static_cast<std::size_t>(info_of(t).block_weights) == 0;
  };
  if (fits(type)) return type;
  TensorType smaller = f16;
  switch (type) {
    case q2_k:
    case q3_k: smaller = q4_0; break;
    case q4_k: smaller = q5_0; break;
    case q5_k: smaller = q5_1; break;
    case q6_k: smaller = q8_0; break;
    case iq4_xs: smaller = iq4_nl; break;
    default: break;
  }
  return fits(smaller) ? smaller : f16;
}

TensorType type_on_load(QuantizeOnLoad how, const TensorRole& role, TensorType stored,
                        std::size_t cols) noexcept {
  if (how == QuantizeOnLoad::none || info_of(stored).block_weights != 1) return stored;
  const QuantPreset& preset = *find_quant_preset(how == QuantizeOnLoad::int8 ? "Q8_0" : "Q4_0");
  const TensorType type = fallback_type(preset_type(preset, role), cols);
  if (info_of(type).block_weights == 1) return stored;
  return how == QuantizeOnLoad::q4_k && type == q4_0 && cols % 256 == 0 ? q4_k : type;
}

std::function<TensorType(const formats::Tensor&)> types_on_load(QuantizeOnLoad how,
                                                                const formats::ModelFile& file) {
  if (how == QuantizeOnLoad::none) return {};
  return [how, roles = TensorRoles(file)](const formats::Tensor& tensor) {
    return type_on_load(how, roles.of(tensor.name), tensor.type, tensor.cols());
  };
}

}  // namespace qwen::runtime
