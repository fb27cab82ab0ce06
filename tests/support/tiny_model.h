// Small checkpoints with random weights, for every test that needs a model.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/tensor_type.h"
#include "formats/gguf_writer.h"

namespace qwen::test {

struct TinyTensor {
  std::string name;
  TensorType type;
  std::vector<std::size_t> shape;
  std::vector<float> values;
};

// The vocabulary is byte-level BPE: the 256 bytes are ids 0..255, then come the tokens of a few merges
// ("the", "好",
// ...), then <|endoftext|>, <|im_start|> and <|im_end|>, and the tags of thoughts if it has them.
struct TinyModel {
  std::string architecture = "qwen2";  // or "qwen3"
  int layers = 2, hidden = 64, heads = 4, kv_heads = 2, head_dim = 16, ffn = 96, context = 1024;
  int spare_rows = 5;                 // rows of the embedding beyond the vocabulary
  bool own_head = false;              // output.weight beside token_embd.weight
  TensorType type = TensorType::f32;  // of the matrices; vectors are F32
  unsigned seed = 1;
  bool thinks = false;  // the vocabulary has <think> and </think>
  std::string chat_template =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  // Called for each tensor before it is written: may change it, or drop it by returning false.
  std::function<bool(TinyTensor&)> edit;
  std::vector<TinyTensor> extra;  // tensors after the model's own
  // Called after all metadata is set: may replace keys.
  std::function<void(formats::GgufWriter&)> metadata;
};

// Writes the model to `path`, over what is there; the same bytes for the same description. Returns `path`.
std::string write_tiny_model(const TinyModel& model, const std::string& path);

}  // namespace qwen::test
