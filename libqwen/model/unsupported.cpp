#include "model/unsupported.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "base/fail.h"
#include "formats/harmless_tensors.h"

namespace qwen::model {
namespace {

using formats::MetaType;
using formats::MetaValue;

// Keys of the architecture that are read, or say nothing about the result.
constexpr std::string_view kKnown[] = {
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "vocab_size",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.sliding_window_pattern",  // means nothing without a window in use
    "rope.freq_base",
    "rope.dimension_count",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.attn_factor",
    "rope.scaling.finetuned",  // informative
    "rope.scaling.yarn_ext_factor",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
};

// Keys with the only value that this library computes.
struct Neutral {
  std::string_view key;
  double value;
  std::string_view meaning;  // of other values
};
constexpr Neutral kNeutral[] = {
    {"attention.causal", 1, "attention to later tokens"},
    {"attention.max_alibi_bias", 0, "ALiBi"},
    {"attention.clamp_kqv", 0, "clamped attention inputs"},
    {"attention.temperature_scale", 0, "attention temperature"},
    {"attention.temperature_length", 0, "attention temperature"},
    {"attention.layer_norm_epsilon", 0, "layer norm with a mean"},
    {"attn_logit_softcapping", 0, "soft-capped attention"},
    {"final_logit_softcapping", 0, "soft-capped logits"},
    {"logit_scale", 1, "scaled logits"},
    {"residual_scale", 1, "scaled residuals"},
    {"embedding_scale", 1, "scaled embeddings"},
    {"use_parallel_residual", 0, "parallel residuals"},
    {"expert_count", 0, "mixture of experts"},
    {"expert_used_count", 0, "mixture of experts"},
    {"nextn_predict_layers", 0, "multi-token prediction layers"},
    {"n_deepstack_layers", 0, "vision inputs"},
    {"rope.scaling.yarn_log_multiplier", 0, "another YaRN scale"},
};

std::optional<double> number_of(const MetaValue& value) {
  switch (value.type) {
    case MetaType::string:
    case MetaType::array: return std::nullopt;
    case MetaType::f32:
    case MetaType::f64: return value.real;
    default: return static_cast<double>(value.integer);
  }
}

std::string shown(const MetaValue& value) {
  if (value.type == MetaType::string) return quoted(value.string);
  const auto number = number_of(value);
  return number ? cat(*number) : "an array";
}

void check_neutral(const formats::ModelFile& file, const std::string& key, const MetaValue& value,
                   const Neutral& neutral) {
  if (number_of(value) == neutral.value) return;
  fail(ErrorCode::unsupported, file.path(), ": ", key, ": expected ", neutral.value, ", found ", shown(value),
       " (", neutral.meaning, " is not supported)");
}

// Values that depend on the shape.
void check_against_shape(const formats::ModelFile& file, const std::string& architecture,
                         const ModelShape& shape) {
  const auto refuse = [&](const std::string& key, const auto&... parts) {
    fail(ErrorCode::unsupported, file.path(), ": ", key, ": ", parts...);
  };
  const std::string window = architecture + ".attention.sliding_window";
  if (const MetaValue* value = file.find(window)) {
    const auto tokens = number_of(*value);
    // A window as long as the context hides nothing.
    if (!tokens || (*tokens != 0 && *tokens < shape.max_context))
      refuse(window, "sliding window attention is not supported, found ", shown(*value), " of ",
             shape.max_context, " tokens");
  }
  const std::string dimensions = architecture + ".rope.dimension_count";
  if (const auto count = file.optional_integer(dimensions); count && *count != shape.head_dim)
    refuse(dimensions, "partial rotary embedding is not supported: expected ", shape.head_dim, ", found ",
           *count);
  const std::string scale = architecture + ".attention.scale";
  if (const auto value = file.optional_real(scale)) {
    const double expected = 1 / std::sqrt(static_cast<double>(shape.head_dim));
    if (*value != 0 && std::abs(*value - expected) > 1e-4 * expected)
      refuse(scale, "expected ", expected, ", found ", *value, " (another attention scale is not supported)");
  }
  const std::string sections = architecture + ".rope.dimension_sections";
  for (const std::int32_t section : file.integers(sections))
    if (section != 0) refuse(sections, "multimodal rotary embedding is not supported");
  // Embedder takes the last token's state, and logits do not depend on pooling.
  const std::string pooling = architecture + ".pooling_type";
  if (const MetaValue* value = file.find(pooling)) {
    constexpr double kNone = 0, kLast = 3;  // 1: mean, 2: the first token, 4: a classifier head
    if (const auto type = number_of(*value); type != kNone && type != kLast)
      refuse(pooling, "expected 0 (none) or 3 (the last token), found ", shown(*value),
             " (another pooling is not supported)");
  }
  const std::string layout = architecture + ".tensor_data_layout";
  if (const auto text = file.optional_string(layout); text && *text != "reference" && !text->empty())
    refuse(layout, "expected \"reference\", found ", quoted(*text));
  const std::string labels = architecture + ".classifier.output_labels";
  if (file.find(labels)) refuse(labels, "a classifier head is not supported");
}

// "blk.12.attn_q.weight" -> 12
std::optional<int> layer_of(std::string_view tensor) {
  if (!tensor.starts_with("blk.")) return std::nullopt;
  int layer = -1;
  const auto [end, error] = std::from_chars(tensor.data() + 4, tensor.data() + tensor.size(), layer);
  if (error != std::errc() || end == tensor.data() + tensor.size() || *end != '.') return std::nullopt;
  return layer;
}

}  // namespace

void check_kind(const formats::ModelFile& file) {
  const std::string_view kind = file.optional_string("general.type").value_or("model");
  if (kind == "adapter" || file.find("adapter.type") != nullptr)
    fail(ErrorCode::unsupported, file.path(),
         ": a LoRA adapter, not a model: merge it into its base model (llama.cpp's llama-export-lora, or "
         "PEFT's "
         "merge_and_unload)");
  if (kind == "mmproj" || file.optional_string("general.architecture") == "clip")
    fail(ErrorCode::unsupported, file.path(), ": a vision projector, not a language model");
  if (kind == "imatrix") fail(ErrorCode::unsupported, file.path(), ": an importance matrix, not a model");
}

void check_keys(const formats::ModelFile& file, const std::string& architecture, const ModelShape& shape,
                std::vector<std::string>& warnings) {
  const std::string prefix = architecture + ".";
  for (const auto& [key, value] : file.metadata()) {
    if (!key.starts_with(prefix)) continue;
    const std::string_view name = key.substr(prefix.size());
    if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) continue;
    if (name == "attention.scale" || name == "rope.dimension_sections" || name == "tensor_data_layout" ||
        name == "pooling_type")
      continue;
    const auto neutral = std::find_if(std::begin(kNeutral), std::end(kNeutral),
                                      [&](const Neutral& n) { return n.key == name; });
    if (neutral != std::end(kNeutral)) {
      check_neutral(file, std::string(key), value, *neutral);
    } else if (name != "classifier.output_labels") {
      warnings.push_back(cat("unknown key ", key, " = ", shown(value), " is ignored"));
    }
  }
  check_against_shape(file, architecture, shape);
}

void check_all_used(const formats::ModelFile& file, const ModelShape& shape,
                    const std::unordered_set<const formats::Tensor*>& used) {
  const std::string_view architecture = file.optional_string("general.architecture").value_or("?");
  for (const formats::Tensor& tensor : file.tensors()) {
    if (used.contains(&tensor) || formats::is_harmless(tensor.name)) continue;
    if (const auto layer = layer_of(tensor.name); layer && *layer >= shape.layers)
      fail(ErrorCode::unsupported, file.path(), ": tensor ", quoted(tensor.name), " is of layer ", *layer,
           ", but the model has ", shape.layers, " layers");
    const bool classifier = tensor.name.starts_with("cls.") || tensor.name.starts_with("cls_");
    fail(ErrorCode::unsupported, file.path(), ": unexpected tensor ", quoted(tensor.name), " in a ",
         architecture, " model: ", classifier ? "a classifier head" : "it",
         " would change the result and is not supported");
  }
}

}  // namespace qwen::model
