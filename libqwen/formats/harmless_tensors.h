// The only tensors that a checkpoint may have and this library does not read. Loading fails, by name, for every
// other tensor that the model's graph does not use: a bias or a layer that is ignored changes all results.
// (lm_head.weight of a Hugging Face model with tie_word_embeddings is ignored too, as in the reference.)
#pragma once
#include <array>
#include <string_view>

namespace qwen::formats {

struct HarmlessTensor {
  std::string_view suffix;  // of the name
  std::string_view reason;
};

inline constexpr std::array<HarmlessTensor, 3> kHarmlessTensors = {{
    {".rotary_emb.inv_freq", "rotary frequencies, which follow from rope_theta (Hugging Face)"},
    {".attn_rot_embd", "rotary frequencies, which follow from rope.freq_base (GGUF)"},
    {".attn_rot_embd.weight", "the same, as other converters name them"},
}};

inline bool is_harmless(std::string_view tensor) noexcept {
  for (const HarmlessTensor& harmless : kHarmlessTensors)
    if (tensor.ends_with(harmless.suffix)) return true;
  return false;
}

}  // namespace qwen::formats
