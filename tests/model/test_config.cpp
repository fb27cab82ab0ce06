// The shape of a model from its metadata: what is read, and every limit.
#include <catch2/catch.hpp>
#include <limits>

#include "model/config.h"
#include "support/model_cases.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;
using namespace qwen::model;
using test::check_error;

namespace {

struct ConfigKeys {
  std::string architecture = "qwen2";
  std::vector<std::pair<std::string, std::int64_t>> integers = {
      {"block_count", 24},           {"embedding_length", 896},
      {"attention.head_count", 14},  {"attention.head_count_kv", 2},
      {"feed_forward_length", 4864}, {"context_length", 32768}};
  std::vector<std::pair<std::string, double>> reals = {{"attention.layer_norm_rms_epsilon", 1e-6},
                                                       {"rope.freq_base", 1e6}};
  std::vector<std::pair<std::string, std::string>> texts;
  int embedding_rows = 1000;

  ConfigKeys& set(const std::string& key, std::int64_t value) {
    drop(key);
    integers.emplace_back(key, value);
    return *this;
  }
  ConfigKeys& real(const std::string& key, double value) {
    drop(key);
    reals.emplace_back(key, value);
    return *this;
  }
  ConfigKeys& text(const std::string& key, const std::string& value) {
    texts.emplace_back(key, value);
    return *this;
  }
  ConfigKeys& drop(const std::string& key) {
    std::erase_if(integers, [&](const auto& pair) { return pair.first == key; });
    std::erase_if(reals, [&](const auto& pair) { return pair.first == key; });
    return *this;
  }

  ModelShape read() const {
    formats::ModelFile file("test.gguf");
    const auto add = [&](const std::string& key, formats::MetaValue value) {
      file.add(file.own(architecture + "." + key), std::move(value));
    };
    formats::MetaValue name;
    name.type = formats::MetaType::string;
    name.string = architecture;
    file.add("general.architecture", name);
    for (const auto& [key, number] : integers) {
      formats::MetaValue value;
      value.type = formats::MetaType::i64;
      value.integer = number;
      add(key, value);
    }
    for (const auto& [key, number] : reals) {
      formats::MetaValue value;
      value.type = formats::MetaType::f64;
      value.real = number;
      add(key, value);
    }
    for (const auto& [key, string] : texts) {
      formats::MetaValue value;
      value.type = formats::MetaType::string;
      value.string = file.own(string);
      add(key, value);
    }
    if (embedding_rows > 0) {
      formats::Tensor tensor;
      tensor.name = "token_embd.weight";
      tensor.shape = {static_cast<std::size_t>(embedding_rows), 4};
      file.add_tensor(tensor);
    }
    return read_shape(file);
  }
};

void refuse(const ConfigKeys& config, const std::string& text, ErrorCode code = ErrorCode::bad_format) {
  check_error(code, text, [&] { config.read(); });
}

}  // namespace

TEST_CASE("the shape of Qwen2.5-0.5B", "[model]") {
  const ModelShape shape = ConfigKeys().read();
  CHECK(shape.layers == 24);
  CHECK(shape.hidden == 896);
  CHECK(shape.heads == 14);
  CHECK(shape.kv_heads == 2);
  CHECK(shape.head_dim == 64);
  CHECK(shape.ffn == 4864);
  CHECK(shape.embedding_rows == 1000);
  CHECK(shape.max_context == 32768);
  CHECK(shape.rope_theta == 1e6f);
  CHECK(shape.rms_eps == 1e-6f);
  CHECK(shape.tied_head);
  CHECK_FALSE(shape.qkv_bias);
  CHECK_FALSE(shape.qk_norm);
  CHECK(query_dim(shape) == 896);
  CHECK(kv_dim(shape) == 128);
  CHECK(group_size(shape) == 7);
}

TEST_CASE("optional values of the shape", "[model]") {
  CHECK(ConfigKeys().drop("attention.head_count_kv").read().kv_heads == 14);
  CHECK(ConfigKeys().drop("rope.freq_base").read().rope_theta == 10000.0f);
  CHECK(ConfigKeys().drop("attention.layer_norm_rms_epsilon").read().rms_eps == 1e-6f);
  CHECK(ConfigKeys().set("attention.key_length", 128).set("attention.value_length", 128).read().head_dim ==
        128);
  CHECK(ConfigKeys().text("rope.scaling.type", "none").read().layers == 24);
  ConfigKeys qwen3;
  qwen3.architecture = "qwen3";
  CHECK(qwen3.read().qk_norm);
  // Integers are reals too, as some converters write them.
  CHECK(ConfigKeys().drop("rope.freq_base").set("rope.freq_base", 500000).read().rope_theta == 500000.0f);
}

TEST_CASE("what a shape must not be", "[model]") {
  ConfigKeys llama;
  llama.architecture = "llama";
  refuse(llama, "architecture \"llama\" is not supported: expected qwen2", ErrorCode::unsupported);
  llama.architecture = "qwen2moe";
  refuse(llama, "\"qwen2moe\" is not supported", ErrorCode::unsupported);

  for (const char* key :
       {"block_count", "embedding_length", "attention.head_count", "feed_forward_length", "context_length"}) {
    refuse(ConfigKeys().drop(key), std::string("qwen2.") + key, ErrorCode::not_found);
    for (const std::int64_t value :
         {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 32, std::int64_t{1} << 25,
          std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
      refuse(ConfigKeys().set(key, value), std::string("qwen2.") + key + ": expected 1 to ");
  }
  refuse(ConfigKeys().set("block_count", 1025), "qwen2.block_count: expected 1 to 1024, found 1025");
  refuse(ConfigKeys().set("attention.head_count_kv", 0), "qwen2.attention.head_count_kv: expected 1 to");
  refuse(ConfigKeys().set("attention.head_count_kv", 4),
         "14 query heads cannot share 4 key/value heads evenly");
  refuse(ConfigKeys().set("attention.head_count_kv", 28), "cannot share");
  refuse(ConfigKeys().set("embedding_length", 900), "hidden size 900 is not a multiple of 14 heads");
  refuse(ConfigKeys().set("embedding_length", 14 * 33),
         "head dimension: expected an even number up to 512, found 33");
  refuse(ConfigKeys().set("attention.key_length", 514), "up to 512, found 514");
  refuse(ConfigKeys().set("attention.value_length", 32),
         "attention.value_length differs from attention.key_length (64)");
  refuse(ConfigKeys()
             .set("attention.head_count", 1 << 20)
             .set("attention.head_count_kv", 1 << 20)
             .set("attention.key_length", 64),
         "heads x head dimension is too large");
  for (const double value :
       {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    refuse(ConfigKeys().real("rope.freq_base", value), "qwen2.rope.freq_base: expected a positive number");
    refuse(ConfigKeys().real("attention.layer_norm_rms_epsilon", value), "expected a positive number");
  }
  refuse(ConfigKeys().text("rope.scaling.type", "longrope"), "RoPE scaling \"longrope\" is not supported",
         ErrorCode::unsupported);
  refuse(ConfigKeys().text("rope.scaling.type", "yarn"), "RoPE scaling needs a factor");
  for (const double value : {-1.0, 1e9, std::numeric_limits<double>::quiet_NaN()})
    refuse(ConfigKeys().real("rope.scaling.factor", value), "rope.scaling.factor: expected a number from");
  ConfigKeys huge;
  huge.embedding_rows = (1 << 22) + 1;
  refuse(huge, "rows of token_embd.weight");
}
