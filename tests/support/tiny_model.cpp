#include "support/tiny_model.h"

#include <cmath>
#include <cstring>
#include <random>

#include "formats/model_file.h"
#include "quant/quant.h"
#include "tokenizer/vocabularies.h"

namespace qwen::test {
namespace {

struct Words {
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> types;
};

// Texts that become tokens, each by merging what is there already, from the left.
constexpr const char* kWords[] = {"th",   "the",   " the", "in",  "ing",  "er",   " a", "an", " an",
                                  " and", "es",    "on",   "你",  "好",   "的",   "是", "不", "，",
                                  "。",   "正",    "负",   "面",  "正面", "负面", "中", "国", "ll",
                                  "hell", "hello", " w",   " wo", " wor", "\n\n"};

Words make_words(bool thinks) {
  const std::vector<std::string> alphabet = byte_alphabet();
  Words words;
  words.tokens = alphabet;
  for (const char* text : kWords) {
    std::vector<std::string> parts;
    for (const char* byte = text; *byte != '\0'; ++byte)
      parts.push_back(alphabet[static_cast<unsigned char>(*byte)]);
    const auto known = [&](const std::string& token) {
      for (const std::string& t : words.tokens)
        if (t == token) return true;
      return false;
    };
    while (parts.size() > 1) {  // join the longest known beginning with what follows
      std::string left = parts[0];
      std::size_t used = 1;
      for (std::string longer = left; used < parts.size() && known(longer + parts[used]); ++used)
        left = longer += parts[used];
      if (used == parts.size()) break;
      words.merges.push_back(left + " " + parts[used]);
      words.tokens.push_back(left + parts[used]);
    }
  }
  words.types.assign(words.tokens.size(), 1);
  for (const char* control : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    words.tokens.push_back(control);
    words.types.push_back(3);
  }
  if (!thinks) return words;
  for (const char* tag : {"<think>", "</think>"}) {
    words.tokens.push_back(tag);
    words.types.push_back(4);
  }
  return words;
}

class Maker {
 public:
  Maker(const TinyModel& model, int rows) : model_(model), random_(model.seed) {
    const int q_dim = model.heads * model.head_dim, kv_dim = model.kv_heads * model.head_dim;
    const bool qwen3 = model.architecture == "qwen3";
    matrix("token_embd.weight", rows, model.hidden);
    for (int i = 0; i < model.layers; ++i) {
      const std::string blk = "blk." + std::to_string(i) + ".";
      vector(blk + "attn_norm.weight", model.hidden, 1.0f);
      matrix(blk + "attn_q.weight", q_dim, model.hidden);
      matrix(blk + "attn_k.weight", kv_dim, model.hidden);
      matrix(blk + "attn_v.weight", kv_dim, model.hidden);
      if (qwen3) {
        vector(blk + "attn_q_norm.weight", model.head_dim, 1.0f);
        vector(blk + "attn_k_norm.weight", model.head_dim, 1.0f);
      } else {
        vector(blk + "attn_q.bias", q_dim, 0.0f);
        vector(blk + "attn_k.bias", kv_dim, 0.0f);
        vector(blk + "attn_v.bias", kv_dim, 0.0f);
      }
      matrix(blk + "attn_output.weight", model.hidden, q_dim);
      vector(blk + "ffn_norm.weight", model.hidden, 1.0f);
      matrix(blk + "ffn_gate.weight", model.ffn, model.hidden);
      matrix(blk + "ffn_up.weight", model.ffn, model.hidden);
      matrix(blk + "ffn_down.weight", model.hidden, model.ffn);
    }
    vector("output_norm.weight", model.hidden, 1.0f);
    if (model.own_head) matrix("output.weight", rows, model.hidden);
    tensors_.insert(tensors_.end(), model.extra.begin(), model.extra.end());
  }
  const std::vector<TinyTensor>& tensors() const { return tensors_; }

 private:
  void matrix(const std::string& name, int rows, int cols) {
    fill({name, model_.type, {static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)}, {}}, 0.0f,
         1.5f / std::sqrt(static_cast<float>(cols)));
  }
  void vector(const std::string& name, int n, float mean) {
    fill({name, TensorType::f32, {static_cast<std::size_t>(n)}, {}}, mean, 0.3f);
  }
  // Irwin-Hall sums of the generator's own bits: the standard's distributions may differ between libraries.
  void fill(TinyTensor tensor, float mean, float deviation) {
    std::size_t n = 1;
    for (const std::size_t d : tensor.shape) n *= d;
    tensor.values.resize(n);
    for (float& x : tensor.values) {
      float sum = 0;
      for (int i = 0; i < 3; ++i) sum += static_cast<float>(random_() >> 8) * 0x1p-23f - 1.0f;
      x = mean + deviation * sum;
    }
    if (!model_.edit || model_.edit(tensor)) tensors_.push_back(std::move(tensor));
  }

  const TinyModel& model_;
  std::mt19937 random_;
  std::vector<TinyTensor> tensors_;
};

void set_metadata(formats::GgufWriter& writer, const TinyModel& model, const Words& words) {
  using namespace formats;
  const std::string& arch = model.architecture;
  const auto count = [&](const char* key, int n) {
    writer.set(arch + "." + key, meta_u32(static_cast<std::uint32_t>(n)));
  };
  writer.set("general.architecture", meta_string(arch));
  writer.set("general.name", meta_string("tiny"));
  count("block_count", model.layers);
  count("embedding_length", model.hidden);
  count("attention.head_count", model.heads);
  count("attention.head_count_kv", model.kv_heads);
  count("attention.key_length", model.head_dim);
  count("attention.value_length", model.head_dim);
  count("feed_forward_length", model.ffn);
  count("context_length", model.context);
  writer.set(arch + ".attention.layer_norm_rms_epsilon", meta_f32(1e-6f));
  writer.set(arch + ".rope.freq_base", meta_f32(1e6f));
  writer.set("tokenizer.ggml.model", meta_string("gpt2"));
  writer.set("tokenizer.ggml.pre", meta_string("qwen2"));
  writer.set("tokenizer.ggml.tokens", meta_strings({words.tokens.begin(), words.tokens.end()}));
  writer.set("tokenizer.ggml.token_type",
             meta_numbers(MetaType::i32, std::span<const std::int32_t>(words.types)));
  writer.set("tokenizer.ggml.merges", meta_strings({words.merges.begin(), words.merges.end()}));
  writer.set("tokenizer.ggml.eos_token_id",
             meta_u32(static_cast<std::uint32_t>(words.tokens.size() - (model.thinks ? 3 : 1))));
  if (!model.chat_template.empty()) writer.set("tokenizer.chat_template", meta_string(model.chat_template));
  if (model.metadata) model.metadata(writer);
}

std::vector<std::byte> bytes_of(const TinyTensor& tensor) {
  const std::size_t cols = tensor.shape.back(), rows = tensor.values.size() / cols;
  std::vector<std::byte> bytes(rows * row_bytes(tensor.type, cols));
  quant::convert_rows(TensorType::f32, reinterpret_cast<const std::byte*>(tensor.values.data()), tensor.type,
                      bytes.data(), rows, cols);
  return bytes;
}

}  // namespace

std::string write_tiny_model(const TinyModel& model, const std::string& path) {
  const Words words = make_words(model.thinks);
  const Maker maker(model, static_cast<int>(words.tokens.size()) + model.spare_rows);
  formats::GgufWriter writer(path, /*overwrite=*/true);
  set_metadata(writer, model, words);
  for (const TinyTensor& tensor : maker.tensors()) writer.add_tensor(tensor.name, tensor.type, tensor.shape);
  writer.begin();
  for (const TinyTensor& tensor : maker.tensors()) writer.write(bytes_of(tensor));
  writer.finish();
  return path;
}

}  // namespace qwen::test
