// Nothing in a file is ignored: what changes the result is computed or refused by name.
#include <catch2/catch.hpp>
#include <functional>

#include "formats/gguf_writer.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

namespace {

void refuse(const TinyModel& tiny, const std::string& text, ErrorCode code = ErrorCode::unsupported) {
  INFO(text);
  check_error(code, text, [&] { load_tiny(tiny, {}); });
  const TestFolder folder("unsupported");
  const std::string path = write_tiny_model(tiny, folder / "tiny.gguf");
  check_error(code, text, [&] { Model::inspect(path); });
}

TinyModel with_key(const std::string& key, formats::MetaValue value) {
  TinyModel tiny;
  tiny.metadata = [=](formats::GgufWriter& writer) { writer.set(key, value); };
  return tiny;
}

TinyModel with_tensor(const std::string& name, std::vector<std::size_t> shape,
                      const std::string& architecture = "qwen2") {
  TinyModel tiny;
  tiny.architecture = architecture;
  std::size_t n = 1;
  for (const std::size_t d : shape) n *= d;
  tiny.extra = {{name, TensorType::f32, std::move(shape), std::vector<float>(n, 0.5f)}};
  return tiny;
}

struct Loaded {
  Model model;
  std::vector<std::string> log;
};

Loaded load_logged(const TinyModel& tiny) {
  std::vector<std::string> log;
  LoadOptions options;
  options.on_log = [&](std::string_view line) { log.emplace_back(line); };
  Model model = load_tiny(tiny, options);
  return {std::move(model), std::move(log)};
}

formats::MetaValue i32_array(const std::vector<std::int32_t>& values) {
  return formats::meta_numbers(formats::MetaType::i32, std::span<const std::int32_t>(values));
}

}  // namespace

TEST_CASE("tensors that the graph does not use are refused by name", "[model][formats]") {
  for (const char* name :
       {"blk.0.attn_output.bias", "blk.1.ffn_gate.bias", "blk.0.ffn_up.bias", "blk.0.ffn_down.bias",
        "output.bias", "blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight", "output_norm.bias",
        "blk.1.attn_norm.bias", "blk.0.post_attention_norm.weight", "rope_freqs.weight", "something"})
    refuse(with_tensor(name, {64}), std::string("unexpected tensor \"") + name + "\" in a qwen2 model");
  refuse(with_tensor("blk.2.attn_norm.weight", {64}),
         "tensor \"blk.2.attn_norm.weight\" is of layer 2, but the model has 2 layers");
  refuse(with_tensor("cls.weight", {2, 64}), "a classifier head");
  refuse(with_tensor("blk.0.attn_output.bias", {64}, "qwen3"), "in a qwen3 model");
  // Biases in some layers only.
  TinyModel some;
  some.edit = [](TinyTensor& tensor) {
    return !(tensor.name.starts_with("blk.0.") && tensor.name.ends_with(".bias"));
  };
  refuse(some, "unexpected tensor \"blk.1.attn_q.bias\"");
  some.edit = [](TinyTensor& tensor) {
    return !(tensor.name.starts_with("blk.1.") && tensor.name.ends_with(".bias"));
  };
  refuse(some, "tensor blk.1.attn_q.bias is missing", ErrorCode::not_found);
  // The list of harmless tensors.
  CHECK(load_logged(with_tensor("blk.0.attn_rot_embd", {8})).log.empty());
  CHECK(load_logged(with_tensor("blk.1.rotary_emb.inv_freq", {8})).log.empty());
}

TEST_CASE("keys that change the result are refused unless they have the value that is computed",
          "[model][formats]") {
  using namespace formats;
  const auto both = [](const std::string& name, const MetaValue& neutral, const MetaValue& other) {
    INFO(name);
    CHECK(load_logged(with_key("qwen2." + name, neutral)).log.empty());
    refuse(with_key("qwen2." + name, other), "qwen2." + name + ": ");
  };
  both("attention.causal", meta_boolean(true), meta_boolean(false));
  both("rope.dimension_count", meta_u32(16), meta_u32(8));
  both("attention.sliding_window", meta_u32(0), meta_u32(256));
  both("attention.sliding_window", meta_u32(1024), meta_u32(1023));
  both("pooling_type", meta_u32(0), meta_u32(1));
  both("pooling_type", meta_u32(3), meta_u32(2));
  both("pooling_type", meta_u32(3), meta_string("last"));
  both("attention.scale", meta_f32(0.25f), meta_f32(0.5f));
  both("attention.max_alibi_bias", meta_f32(0), meta_f32(8));
  both("attention.clamp_kqv", meta_f32(0), meta_f32(8));
  both("final_logit_softcapping", meta_f32(0), meta_f32(30));
  both("attn_logit_softcapping", meta_f32(0), meta_f32(50));
  both("logit_scale", meta_f32(1), meta_f32(0.5f));
  both("residual_scale", meta_f32(1), meta_f32(2));
  both("embedding_scale", meta_f32(1), meta_f32(12));
  both("expert_count", meta_u32(0), meta_u32(8));
  both("use_parallel_residual", meta_boolean(false), meta_boolean(true));
  both("tensor_data_layout", meta_string("reference"), meta_string("Meta AI original pth"));
  static constexpr std::int32_t kZeros[] = {0, 0}, kSections[] = {4, 4};
  both("rope.dimension_sections", meta_numbers(MetaType::i32, std::span<const std::int32_t>(kZeros)),
       meta_numbers(MetaType::i32, std::span<const std::int32_t>(kSections)));
  refuse(with_key("qwen2.classifier.output_labels", meta_strings({"yes", "no"})), "a classifier head");
  refuse(with_key("general.type", meta_string("adapter")), "a LoRA adapter");
  refuse(with_key("general.type", meta_string("mmproj")), "a vision projector");
  refuse(with_key("general.type", meta_string("imatrix")), "an importance matrix");
  const Loaded unknown = load_logged(with_key("qwen2.attention.novelty", meta_u32(7)));
  REQUIRE(unknown.log.size() == 1);
  CHECK_THAT(unknown.log[0], Contains("unknown key qwen2.attention.novelty = 7"));
  // Another architecture's keys mean nothing here.
  CHECK(load_logged(with_key("llama.logit_scale", meta_f32(3))).log.empty());
}

TEST_CASE("counts per layer are read if they are equal", "[model][formats]") {
  static const std::vector<std::int32_t> equal = {2, 2}, unequal = {2, 4}, none;
  CHECK(load_logged(with_key("qwen2.attention.head_count_kv", i32_array(equal))).model.shape().kv_heads == 2);
  refuse(with_key("qwen2.attention.head_count_kv", i32_array(unequal)), "layers that differ (2 and 4)");
  refuse(with_key("qwen2.attention.head_count_kv", i32_array(none)), "an empty array", ErrorCode::bad_format);
}

TEST_CASE("a missing rope.freq_base warns and an end token of -1 is none", "[model][formats]") {
  TinyModel tiny;
  const TestFolder folder("no_base");
  const std::string path = write_tiny_model(tiny, folder / "tiny.gguf");
  const auto source = formats::open_model_file(path);
  formats::GgufWriter writer(folder / "no_base.gguf", false);
  for (const auto& [key, value] : source->metadata())
    if (key != "qwen2.rope.freq_base") writer.set(key, value);
  writer.set("tokenizer.ggml.eos_token_id", formats::meta_u32(0xffffffffu));
  for (const formats::Tensor& tensor : source->tensors())
    writer.add_tensor(tensor.name, tensor.type, tensor.shape);
  writer.begin();
  for (const formats::Tensor& tensor : source->tensors()) writer.write(tensor.data);
  writer.finish();
  std::vector<std::string> log;
  LoadOptions options;
  options.on_log = [&](std::string_view line) { log.emplace_back(line); };
  const Model model = Model::load(folder / "no_base.gguf", options);
  REQUIRE(log.size() == 1);
  CHECK_THAT(log[0], Contains("qwen2.rope.freq_base is missing: assuming 10000"));
  CHECK(model.shape().rope_theta == 10000.0f);
  CHECK(model.info().warnings == log);
  const auto end = model.tokenizer().find_added_token("<|im_end|>");
  REQUIRE(end);
  CHECK(model.is_end_of_turn(*end));
  CHECK_FALSE(model.is_end_of_turn(-1));
}

TEST_CASE("sampling defaults out of range mean off, with a warning", "[model][formats]") {
  using namespace formats;
  const auto sampling = [](const char* key, MetaValue value, std::size_t warnings) {
    const Loaded loaded = load_logged(with_key(std::string("general.sampling.") + key, value));
    CHECK(loaded.log.size() == warnings);
    return loaded.model.info().sampling;
  };
  CHECK(sampling("top_k", meta_integer(MetaType::i32, -1), 1).top_k == 0);
  CHECK(sampling("top_k", meta_f32(20.0f), 0).top_k == 20);
  CHECK(sampling("top_k", meta_f32(20.5f), 1).top_k == 0);
  CHECK(sampling("top_p", meta_f32(0), 1).top_p == 1.0f);
  CHECK(sampling("top_p", meta_f32(1.5f), 1).top_p == 1.0f);
  CHECK(sampling("penalty_repeat", meta_f32(0), 1).repetition_penalty == 1.0f);
  CHECK(sampling("min_p", meta_f32(-1), 1).min_p == 0.0f);
  CHECK(sampling("temp", meta_f32(0), 0).temperature == 0.0f);
  CHECK(sampling("temp", meta_f32(-3), 1).temperature == SamplingOptions().temperature);
}

TEST_CASE("BOS and EOS are added around prompts if the file says so", "[model][tokenizer]") {
  using namespace formats;
  const auto prompt = [](std::function<void(GgufWriter&)> metadata, std::size_t warnings = 0) {
    TinyModel tiny;
    tiny.metadata = std::move(metadata);
    const Loaded loaded = load_logged(tiny);
    CHECK(loaded.log.size() == warnings);
    CHECK(loaded.model.tokenizer().encode("a") == std::vector<Token>{'a'});
    return loaded.model.tokenizer().encode_prompt("a");
  };
  const Token bos = *load_tiny({}, {}).tokenizer().find_added_token("<|endoftext|>"), eos = bos + 2;
  CHECK(prompt({}) == std::vector<Token>{'a'});
  const auto set_bos = [=](GgufWriter& writer) {
    writer.set("tokenizer.ggml.bos_token_id", meta_u32(static_cast<std::uint32_t>(bos)));
  };
  CHECK(prompt(set_bos) == std::vector<Token>{'a'});
  CHECK(prompt([=](GgufWriter& writer) {
          set_bos(writer);
          writer.set("tokenizer.ggml.add_bos_token", meta_boolean(true));
        }) == std::vector<Token>{bos, 'a'});
  CHECK(prompt([](GgufWriter& writer) { writer.set("tokenizer.ggml.add_eos_token", meta_boolean(true)); }) ==
        std::vector<Token>{'a', eos});
  CHECK(prompt([](GgufWriter& writer) { writer.set("tokenizer.ggml.add_bos_token", meta_boolean(true)); },
               1) == std::vector<Token>{'a'});
}
