// A tiny Hugging Face directory, right or deliberately wrong.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "formats/test_folder.h"

namespace qwen::test {

using Json = nlohmann::ordered_json;

// 8 bytes of length, header, data.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  std::string out(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(out.data(), &size, 8);
  return out + header + data;
}

struct HfTensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::string dtype = "F32";
  std::string data = {};  // empty: every byte is the tensor's number in the file, from 1
};

// A file of these tensors one after the other.
inline std::string safetensors_file(const std::vector<HfTensor>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::size_t bytes = tensors[i].dtype == "F32" ? 4 : 2;
    for (const auto n : tensors[i].shape) bytes *= n;
    header[tensors[i].name] = {{"dtype", tensors[i].dtype},
                               {"shape", tensors[i].shape},
                               {"data_offsets", {data.size(), data.size() + bytes}}};
    data += tensors[i].data.empty() ? std::string(bytes, static_cast<char>(i + 1)) : tensors[i].data;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return safetensors_bytes(text, data);
}

// One layer, two heads on one KV head, eight tokens of which the last has no text.
struct HfFiles {
  Json config = {{"architectures", {"Qwen2ForCausalLM"}},
                 {"model_type", "qwen2"},
                 {"hidden_size", 8},
                 {"num_hidden_layers", 1},
                 {"num_attention_heads", 2},
                 {"num_key_value_heads", 1},
                 {"intermediate_size", 16},
                 {"vocab_size", 8},
                 {"max_position_embeddings", 64},
                 {"rope_theta", 1000000.0},
                 {"rms_norm_eps", 1e-6},
                 {"tie_word_embeddings", true},
                 {"hidden_act", "silu"},
                 {"use_sliding_window", false},
                 {"bos_token_id", 4},
                 {"eos_token_id", 6}};
  Json generation = {{"do_sample", true}, {"temperature", 0.7},        {"top_k", 20},
                     {"top_p", 0.8},      {"repetition_penalty", 1.1}, {"eos_token_id", {6, 4}}};
  Json tokenizer = {
      {"added_tokens",
       {{{"id", 4}, {"content", "<|endoftext|>"}, {"special", true}},
        {{"id", 5}, {"content", "<tool_call>"}, {"special", false}},
        {{"id", 6}, {"content", "<|im_end|>"}, {"special", true}}}},
      {"normalizer", {{"type", "NFC"}}},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"},
           {"pattern",
            {{"Regex",
              "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
              "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
              "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}},
           {"invert", false}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
      {"model",
       {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"\xC4\xA0", 2}, {"ab", 3}}}, {"merges", {"a b"}}}}};
  Json tokenizer_config = {{"eos_token", "<|im_end|>"},
                           {"pad_token", {{"content", "<|endoftext|>"}}},
                           {"bos_token", nullptr},
                           {"tokenizer_class", "Qwen2Tokenizer"},
                           {"chat_template", "{{ messages }}"},
                           {"added_tokens_decoder",
                            {{"4", {{"content", "<|endoftext|>"}, {"special", true}}},
                             {"5", {{"content", "<tool_call>"}, {"special", false}}},
                             {"6", {{"content", "<|im_end|>"}, {"special", true}}}}}};
  std::vector<HfTensor> tensors = {
      {"model.embed_tokens.weight", {8, 8}, "BF16"},
      {"model.layers.0.input_layernorm.weight", {8}},
      {"model.layers.0.self_attn.q_proj.weight", {8, 8}, "F16"},
      {"model.layers.0.self_attn.q_proj.bias", {8}},
      {"model.layers.0.self_attn.k_proj.weight", {4, 8}},
      {"model.layers.0.self_attn.k_proj.bias", {4}},
      {"model.layers.0.self_attn.v_proj.weight", {4, 8}},
      {"model.layers.0.self_attn.v_proj.bias", {4}},
      {"model.layers.0.self_attn.o_proj.weight", {8, 8}},
      {"model.layers.0.post_attention_layernorm.weight", {8}},
      {"model.layers.0.mlp.gate_proj.weight", {16, 8}},
      {"model.layers.0.mlp.up_proj.weight", {16, 8}},
      {"model.layers.0.mlp.down_proj.weight", {8, 16}},
      {"model.norm.weight", {8}},
  };

  void write(const TestFolder& folder) const {
    folder.write("config.json", config.dump(1));
    folder.write("generation_config.json", generation.dump(1));
    folder.write("tokenizer.json", tokenizer.dump(1));
    folder.write("tokenizer_config.json", tokenizer_config.dump(1));
    folder.write("model.safetensors", safetensors_file(tensors));
  }
  // The same tensors in two files with an index.
  void write_sharded(const TestFolder& folder) const {
    write(folder);
    folder.remove("model.safetensors");
    const auto middle = tensors.begin() + 6;
    folder.write("model-00001-of-00002.safetensors", safetensors_file({tensors.begin(), middle}));
    folder.write("model-00002-of-00002.safetensors", safetensors_file({middle, tensors.end()}));
    folder.write("model.safetensors.index.json", index().dump(1));
  }
  Json index() const {
    Json map;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      map[tensors[i].name] = i < 6 ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
    return {{"metadata", {{"total_size", 0}}}, {"weight_map", map}};
  }
};

}  // namespace qwen::test
