#include "model/config.h"

#include <cmath>

#include "base/checked.h"
#include "model/rope.h"
#include "model/unsupported.h"

namespace qwen::model {
namespace {

// Limits far above any model of the family: they keep products of sizes from outside small enough to reason
// about.
constexpr int kMaxLayers = 1024;
constexpr int kMaxWidth = 1 << 20;
constexpr int kMaxVocab = 1 << 22;

class Reader {
 public:
  Reader(const formats::ModelFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture)) {}

  int count(const char* name, int limit) const {
    const std::string key = prefix_ + "." + name;
    const auto value = optional(key);
    return check(key, value ? *value : file_.integer(key), limit);
  }
  int count(const char* name, int limit, int fallback) const {
    const std::string key = prefix_ + "." + name;
    const auto value = optional(key);
    return value ? check(key, *value, limit) : fallback;
  }
  float positive(const char* name, double fallback) const {
    const std::string key = prefix_ + "." + name;
    const double value = file_.optional_real(key).value_or(fallback);
    if (!(value > 0) || !std::isfinite(value))
      fail(ErrorCode::bad_format, file_.path(), ": ", key, ": expected a positive number, found ", value);
    return static_cast<float>(value);
  }

 private:
  // Some converters write one count per layer; layers that differ are not supported.
  std::optional<std::int64_t> optional(const std::string& key) const {
    const formats::MetaValue* value = file_.find(key);
    if (value == nullptr || value->type != formats::MetaType::array) return file_.optional_integer(key);
    const std::vector<std::int32_t> counts = file_.integers(key);
    if (counts.empty()) fail(ErrorCode::bad_format, file_.path(), ": ", key, ": an empty array");
    for (const std::int32_t count : counts)
      if (count != counts.front())
        fail(ErrorCode::unsupported, file_.path(), ": ", key, ": layers that differ (", counts.front(),
             " and ", count, ") are not supported");
    return counts.front();
  }
  int check(const std::string& key, std::int64_t value, int limit) const {
    if (value < 1 || value > limit)
      fail(ErrorCode::bad_format, file_.path(), ": ", key, ": expected 1 to ", limit, ", found ", value);
    return static_cast<int>(value);
  }
  const formats::ModelFile& file_;
  std::string prefix_;
};

// Rows of the embedding where there is one, else the tokenizer's size: a vocabulary-only file has no tensors.
int vocabulary_rows(const formats::ModelFile& file) {
  if (const formats::Tensor* embedding = file.find_tensor("token_embd.weight"))
    return checked_int(embedding->rows(), 1, kMaxVocab, file.path() + ": rows of token_embd.weight");
  if (const auto* tokens = file.strings("tokenizer.ggml.tokens"))
    return checked_int(tokens->size(), 1, kMaxVocab, file.path() + ": tokenizer.ggml.tokens");
  return 0;
}

}  // namespace

ModelShape read_shape(const formats::ModelFile& file, const RopeOptions& rope,
                      std::vector<std::string>* warnings) {
  check_kind(file);
  const std::string architecture(file.string("general.architecture"));
  if (architecture != "qwen2" && architecture != "qwen3")
    fail(ErrorCode::unsupported, file.path(), ": architecture ", quoted(architecture),
         " is not supported: expected qwen2 (Qwen1.5, Qwen2, Qwen2.5) or qwen3");
  const Reader read(file, architecture);
  ModelShape shape;
  shape.layers = read.count("block_count", kMaxLayers);
  shape.hidden = read.count("embedding_length", kMaxWidth);
  shape.heads = read.count("attention.head_count", kMaxWidth);
  shape.kv_heads = read.count("attention.head_count_kv", kMaxWidth, shape.heads);
  shape.ffn = read.count("feed_forward_length", kMaxWidth);
  shape.max_context = read.count("context_length", kMaxContext);
  shape.rms_eps = read.positive("attention.layer_norm_rms_epsilon", 1e-6);
  const auto bad = [&](const auto&... parts) { fail(ErrorCode::bad_format, file.path(), ": ", parts...); };
  if (shape.heads % shape.kv_heads != 0)
    bad(shape.heads, " query heads cannot share ", shape.kv_heads, " key/value heads evenly");
  const int fallback_dim = shape.hidden % shape.heads == 0 ? shape.hidden / shape.heads : 0;
  shape.head_dim = read.count("attention.key_length", kMaxWidth, fallback_dim);
  if (shape.head_dim == 0) bad("hidden size ", shape.hidden, " is not a multiple of ", shape.heads, " heads");
  if (read.count("attention.value_length", kMaxWidth, shape.head_dim) != shape.head_dim)
    bad("attention.value_length differs from attention.key_length (", shape.head_dim, ")");
  if (shape.head_dim % 2 != 0 || shape.head_dim > 512)
    bad("head dimension: expected an even number up to 512, found ", shape.head_dim);
  if (shape.heads > kMaxWidth / shape.head_dim) bad("heads x head dimension is too large");
  std::vector<std::string> found;
  read_rope(file, architecture, rope, found, shape);
  check_keys(file, architecture, shape, found);
  if (warnings != nullptr) warnings->insert(warnings->end(), found.begin(), found.end());
  shape.embedding_rows = vocabulary_rows(file);
  shape.tied_head = file.find_tensor("output.weight") == nullptr;
  shape.qkv_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  shape.qk_norm = architecture == "qwen3";
  return shape;
}

}  // namespace qwen::model
