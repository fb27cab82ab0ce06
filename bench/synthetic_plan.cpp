// Which tensors a synthetic model has, and of which type.
#include <algorithm>
#include <cctype>

#include "base/fail.h"
#include "runtime/quant_preset.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

}  // namespace

const std::vector<SyntheticShape>& synthetic_shapes() {
  static const std::vector<SyntheticShape> kShapes = {
      {"tiny", "qwen2", 2, 64, 4, 2, 16, 128, 512, 512, true},
      {"tiny-untied", "qwen2", 2, 64, 4, 4, 16, 160, 512, 512, false},
      {"tiny-qwen3", "qwen3", 2, 96, 4, 2, 32, 128, 512, 512, true},
      {"small", "qwen2", 4, 256, 4, 2, 64, 768, 4096, 2048, true},
      {"qwen1.5-0.5b", "qwen2", 24, 1024, 16, 16, 64, 2816, 151936, 32768, true},
      {"qwen1.5-1.8b", "qwen2", 24, 2048, 16, 16, 128, 5504, 151936, 32768, false},
      {"qwen2-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, true},
      {"qwen2-1.5b", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768, true},
      {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, true},
      {"qwen2.5-1.5b", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768, true},
      {"qwen2.5-3b", "qwen2", 36, 2048, 16, 2, 128, 11008, 151936, 32768, true},
      {"qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, true},
      {"qwen3-1.7b", "qwen3", 28, 2048, 16, 8, 128, 6144, 151936, 40960, true},
  };
  return kShapes;
}

const std::vector<std::string>& synthetic_types() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const runtime::QuantPreset& mixture : runtime::all_quant_presets())
      names.push_back(lower(mixture.name));
    return names;
  }();
  return kNames;
}

SyntheticSpec parse_synthetic(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string shape = lower(text.substr(0, colon));
  const std::string type = colon == std::string_view::npos ? "q4_k_m" : lower(text.substr(colon + 1));
  const auto& shapes = synthetic_shapes();
  const auto found =
      std::find_if(shapes.begin(), shapes.end(), [&](const auto& s) { return shape == s.name; });
  if (found == shapes.end()) {
    std::vector<std::string> names;
    for (const auto& known : shapes) names.emplace_back(known.name);
    fail(ErrorCode::invalid_argument, "unknown shape ", quoted(shape), ": expected one of ", joined(names));
  }
  const runtime::QuantPreset* mixture = runtime::find_quant_preset(type);
  if (mixture == nullptr)
    fail(ErrorCode::invalid_argument, "unknown type ", quoted(type), ": expected one of ",
         joined(synthetic_types()));
  return {*found, lower(mixture->name), ""};
}

std::vector<PlannedTensor> plan_tensors(const SyntheticSpec& spec) {
  const SyntheticShape& s = spec.shape;
  const runtime::QuantPreset& mixture = *runtime::find_quant_preset(spec.type);
  std::vector<PlannedTensor> tensors;
  runtime::TensorRole place;
  place.layers = s.layers;
  place.heads_per_kv = s.heads / s.kv_heads;
  const auto matrix = [&](std::string name, int rows, int cols) {
    place.name = name;
    place.is_head = name == (s.tied_head ? "token_embd.weight" : "output.weight");
    const auto width = static_cast<std::size_t>(cols);
    const TensorType type = runtime::fallback_type(runtime::preset_type(mixture, place), width);
    tensors.push_back({std::move(name), type, {static_cast<std::size_t>(rows), width}});
  };
  const auto vector = [&](std::string name, int n) {
    tensors.push_back({std::move(name), TensorType::f32, {static_cast<std::size_t>(n)}});
  };
  const int q_dim = s.heads * s.head_dim, k_dim = s.kv_heads * s.head_dim;
  const bool qwen3 = std::string_view(s.architecture) == "qwen3";
  matrix("token_embd.weight", s.vocab, s.hidden);
  for (int i = 0; i < s.layers; ++i) {
    place.layer = i;
    const std::string blk = "blk." + std::to_string(i) + ".";
    vector(blk + "attn_norm.weight", s.hidden);
    matrix(blk + "attn_q.weight", q_dim, s.hidden);
    matrix(blk + "attn_k.weight", k_dim, s.hidden);
    matrix(blk + "attn_v.weight", k_dim, s.hidden);
    if (qwen3) {
      vector(blk + "attn_q_norm.weight", s.head_dim);
      vector(blk + "attn_k_norm.weight", s.head_dim);
    } else {
      vector(blk + "attn_q.bias", q_dim);
      vector(blk + "attn_k.bias", k_dim);
      vector(blk + "attn_v.bias", k_dim);
    }
    matrix(blk + "attn_output.weight", s.hidden, q_dim);
    vector(blk + "ffn_norm.weight", s.hidden);
    matrix(blk + "ffn_gate.weight", s.ffn, s.hidden);
    matrix(blk + "ffn_up.weight", s.ffn, s.hidden);
    matrix(blk + "ffn_down.weight", s.hidden, s.ffn);
  }
  vector("output_norm.weight", s.hidden);
  if (!s.tied_head) matrix("output.weight", s.vocab, s.hidden);
  return tensors;
}

}  // namespace qwen::bench
