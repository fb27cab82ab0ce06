#include "formats/hf_directory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <unordered_map>

#include "base/fail.h"
#include "formats/harmless_tensors.h"
#include "formats/json_reader.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"

namespace qwen::formats {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxShards = 1000;

struct Name {
  std::string_view from, to;
};

constexpr std::array<Name, 3> kNames = {{
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
}};

// After "model.layers.N." and "blk.N.".
constexpr std::array<Name, 14> kLayerNames = {{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
}};

template <std::size_t N>
std::optional<std::string_view> look_up(const std::array<Name, N>& names, std::string_view from) {
  for (const Name& name : names)
    if (name.from == from) return name.to;
  return std::nullopt;
}

// GGUF's name for a tensor; nullopt if it is not needed.
// Throws unsupported if the model has no such tensor.
std::optional<std::string> gguf_name(std::string_view name, const HfConfig& config, const std::string& file) {
  // Qwen3-Embedding's checkpoints are of the model without its head: "layers.0..." for "model.layers.0...".
  if (name.starts_with("layers.") || name == "embed_tokens.weight" || name == "norm.weight")
    return gguf_name(cat("model.", name), config, file);
  if (const auto to = look_up(kNames, name)) {
    if (*to == "output.weight" && config.tied_head) return std::nullopt;  // a copy of the embedding
    return std::string(*to);
  }
  constexpr std::string_view kLayer = "model.layers.";
  if (name.starts_with(kLayer)) {
    const auto rest = name.substr(kLayer.size());
    int layer = -1;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    const auto suffix = rest.substr(static_cast<std::size_t>(end - rest.data()));
    if (error == std::errc() && layer >= 0 && suffix.starts_with('.') &&
        rest.substr(0, rest.size() - suffix.size()) == cat(layer)) {
      if (layer >= config.layers)
        fail(ErrorCode::bad_format, file, ": tensor ", quoted(name), " is of layer ", layer,
             ", config.json has ", config.layers, " layers");
      if (is_harmless(name)) return std::nullopt;
      if (const auto to = look_up(kLayerNames, suffix.substr(1))) return cat("blk.", layer, ".", *to);
    }
  }
  fail(ErrorCode::unsupported, file, ": unexpected tensor ", quoted(name), " in a ", config.architecture,
       " model");
}

void add_weight(const SafeTensor& from, std::string name, int shard, const std::string& file,
                ModelFile& out) {
  if (from.shape.empty() || from.shape.size() > 4 || from.data.empty())
    fail(ErrorCode::bad_format, file, ": tensor ", quoted(from.name),
         ": expected 1 to 4 dimensions of at least 1, found ", from.shape.size(), " dimensions and ",
         from.data.size(), " bytes");
  Tensor tensor;
  tensor.name = out.own(std::move(name));
  tensor.type = from.type;
  tensor.shape = from.shape;
  tensor.data = from.data;
  tensor.shard = shard;
  // safetensors does not guarantee alignment: copy tensors that are not aligned.
  if (reinterpret_cast<std::uintptr_t>(from.data.data()) % info_of(from.type).block_bytes != 0) {
    tensor.data = out.own(std::vector<std::byte>(from.data.begin(), from.data.end()));
    tensor.shard = -1;
  }
  out.add_tensor(std::move(tensor));
}

// tensor -> the shard that the index says it is in
using WeightMap = std::map<std::string, std::string>;

bool is_plain_name(std::string_view name) {
  return name.ends_with(".safetensors") &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

WeightMap read_index(const std::string& path) {
  JsonFile file(path, kMaxConfigBytes);
  JsonReader& in = file.in;
  WeightMap map;
  unique_object(in, [&](std::string_view key) {
    if (key != "weight_map") return in.skip();
    in.object([&](std::string_view tensor) {
      std::string name(tensor);
      const std::string shard(in.string());
      if (!is_plain_name(shard))
        in.bad("tensor ", quoted(name), " is in ", quoted(shard),
               ", expected the name of a .safetensors file in the same folder");
      if (!map.emplace(name, shard).second) in.bad("duplicate tensor ", quoted(name));
    });
  });
  in.finish();
  if (map.empty()) fail(ErrorCode::bad_format, path, ": its weight_map names no tensor");
  return map;
}

int open_shard(const fs::path& path, bool from_index, ModelFile& out) {
  try {
    return out.add_shard(MappedFile(path.string()));
  } catch (const Error& error) {
    if (!from_index) throw;
    fail(error.code(), error.what(), " (", kIndex, " names it)");
  }
}

void read_weights(const fs::path& folder, const HfConfig& config, ModelFile& out) {
  WeightMap map;
  std::vector<std::string> shards;
  if (file_exists(folder / kSingle)) {
    shards.push_back(kSingle);
  } else if (file_exists(folder / kIndex)) {
    map = read_index((folder / kIndex).string());
    for (const auto& [tensor, shard] : map) shards.push_back(shard);
    std::sort(shards.begin(), shards.end());
    shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
    if (shards.size() > kMaxShards)
      fail(ErrorCode::bad_format, (folder / kIndex).string(), ": ", shards.size(),
           " files, expected at most ", kMaxShards);
  } else {
    fail(ErrorCode::not_found, folder.string(), ": no weights: expected ", kSingle, " or ", kIndex,
         file_exists(folder / "pytorch_model.bin") ? " (pytorch_model.bin cannot be read)" : "");
  }
  std::unordered_map<std::string_view, std::size_t> seen;  // tensor -> index of its shard
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string file = (folder / shards[i]).string();
    const int shard = open_shard(folder / shards[i], !map.empty(), out);
    for (const SafeTensor& tensor : read_safetensors(out.shard(shard).bytes(), file, out)) {
      const auto [before, is_new] = seen.emplace(tensor.name, i);
      if (!is_new)
        fail(ErrorCode::bad_format, file, ": tensor ", quoted(tensor.name), " is also in ",
             shards[before->second]);
      if (auto name = gguf_name(tensor.name, config, file))
        add_weight(tensor, std::move(*name), shard, file, out);
    }
  }
  for (const auto& [tensor, shard] : map) {
    const auto found = seen.find(tensor);
    if (found == seen.end() || shards[found->second] != shard)
      fail(ErrorCode::bad_format, (folder / kIndex).string(), ": tensor ", quoted(tensor), " is not in ",
           shard);
  }
}

// vocab_size must match the weights, which bounds it by the size of the file.
void check_embedding(const std::string& path, const HfConfig& config, const ModelFile& file) {
  const Tensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr)
    fail(ErrorCode::not_found, path, ": the tensor model.embed_tokens.weight is missing");
  if (embedding->rows() != static_cast<std::size_t>(config.vocab))
    fail(ErrorCode::bad_format, path, ": model.embed_tokens.weight has ", embedding->rows(),
         " rows, vocab_size in config.json is ", config.vocab);
  if (!config.tied_head && file.find_tensor("output.weight") == nullptr)
    fail(ErrorCode::not_found, path,
         ": the tensor lm_head.weight is missing, and tie_word_embeddings in config.json is false");
}

// The folder's name, or the model's name in a hub cache ("models--Qwen--Qwen2.5-0.5B/snapshots/0123...").
std::string model_name(const fs::path& folder) {
  std::error_code ignored;
  const fs::path full = fs::absolute(folder / ".", ignored).lexically_normal().parent_path();
  const std::string cache = full.parent_path().parent_path().filename().string();
  if (full.parent_path().filename() == "snapshots" && cache.starts_with("models--"))
    return cache.substr(cache.rfind("--") + 2);
  return full.filename().string();
}

// Directories without config.json, by what they look like.
[[noreturn]] void refuse_directory(const std::string& path, const fs::path& folder) {
  if (file_exists(folder / "adapter_config.json"))
    fail(ErrorCode::unsupported, path,
         ": a LoRA adapter, not a model: merge it into its base model (PEFT's merge_and_unload)");
  std::string found;  // a subfolder of a hub cache
  std::error_code ignored;
  if (fs::is_directory(folder / "snapshots", ignored)) {
    for (const auto& entry : fs::directory_iterator(folder / "snapshots", ignored))
      found = entry.path().string();
    fail(ErrorCode::not_found, path, ": the root of a model in a hub cache: the model is in ",
         found.empty() ? (folder / "snapshots").string() + "/<revision>" : found);
  }
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().filename().string().starts_with("models--")) found = entry.path().string();
  if (!found.empty())
    fail(ErrorCode::not_found, path, ": the root of a hub cache: give one model of it, for example ", found,
         "/snapshots/<revision>");
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".gguf") found = entry.path().string();
  if (!found.empty())
    fail(ErrorCode::not_found, path, ": a directory of GGUF files: give one of them, for example ", found);
  fail(ErrorCode::not_found, path,
       ": not a model directory: it has no config.json (a GGUF file is given by its own path)");
}

std::uint32_t file_type(TensorType type) {
  switch (type) {
    case TensorType::f16: return 1;
    case TensorType::bf16: return 32;
    default: return 0;
  }
}

}  // namespace

std::shared_ptr<const ModelFile> open_hf_directory(const std::string& path) {
  const fs::path folder(path);
  if (!file_exists(folder / "config.json")) refuse_directory(path, folder);
  const HfConfig config = read_hf_config((folder / "config.json").string());
  auto file = std::make_shared<ModelFile>(path);
  add_hf_config(config, *file);
  read_weights(folder, config, *file);
  check_embedding(path, config, *file);
  file->add("general.name", meta_string(file->own(model_name(folder))));
  file->add("general.file_type", meta_u32(file_type(file->find_tensor("token_embd.weight")->type)));
  if (file_exists(folder / "generation_config.json"))
    add_generation_config((folder / "generation_config.json").string(), *file);
  add_hf_tokenizer(path, config, *file);
  return file;
}

}  // namespace qwen::formats
