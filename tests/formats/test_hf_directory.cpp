#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/fail.h"
#include "formats/hf_files.h"
#include "formats/model_file.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

namespace {

using Words = std::vector<std::string_view>;

std::shared_ptr<const formats::ModelFile> open(const TestFolder& folder) {
  return formats::open_model_file(folder.path());
}

void refused(const TestFolder& folder, const std::string& text, ErrorCode code = ErrorCode::bad_format) {
  CAPTURE(text);
  try {
    open(folder);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Contains(text));
    CHECK(error.code() == code);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
  }
}

// The error of a directory in which `change` was made.
template <class Change>
void refused_with(Change change, const std::string& text, ErrorCode code = ErrorCode::bad_format) {
  const TestFolder folder("hf-bad");
  HfFiles files;
  change(files);
  files.write(folder);
  refused(folder, text, code);
}

}  // namespace

TEST_CASE("a Hugging Face directory has GGUF's keys and names", "[formats]") {
  const TestFolder folder("hf");
  HfFiles().write(folder);
  const auto f = open(folder);
  CHECK(f->string("general.architecture") == "qwen2");
  CHECK_THAT(std::string(f->string("general.name")), Contains("qwen-test-hf-"));
  CHECK(f->integer("general.file_type") == 32);
  CHECK(f->integer("qwen2.block_count") == 1);
  CHECK(f->integer("qwen2.context_length") == 64);
  CHECK(f->integer("qwen2.embedding_length") == 8);
  CHECK(f->integer("qwen2.feed_forward_length") == 16);
  CHECK(f->integer("qwen2.vocab_size") == 8);
  CHECK(f->integer("qwen2.attention.head_count") == 2);
  CHECK(f->integer("qwen2.attention.head_count_kv") == 1);
  CHECK(f->find("qwen2.attention.key_length") == nullptr);
  CHECK(f->real("qwen2.rope.freq_base") == 1e6);
  CHECK(f->real("qwen2.attention.layer_norm_rms_epsilon") == static_cast<double>(1e-6f));
  CHECK(f->real("general.sampling.temp") == static_cast<double>(0.7f));
  CHECK(f->real("general.sampling.top_p") == static_cast<double>(0.8f));
  CHECK(f->real("general.sampling.penalty_repeat") == static_cast<double>(1.1f));
  CHECK(f->integer("general.sampling.top_k") == 20);
  CHECK(f->integers("qwen.generation.eos_token_ids") == std::vector<std::int32_t>{6, 4});
  CHECK(f->string("tokenizer.ggml.model") == "gpt2");
  CHECK(f->string("tokenizer.ggml.pre") == "qwen2");
  CHECK(*f->strings("tokenizer.ggml.tokens") ==
        Words{"a", "b", "\xC4\xA0", "ab", "<|endoftext|>", "<tool_call>", "<|im_end|>", "[PAD7]"});
  CHECK(f->integers("tokenizer.ggml.token_type") == std::vector<std::int32_t>{1, 1, 1, 1, 3, 4, 3, 5});
  CHECK(*f->strings("tokenizer.ggml.merges") == Words{"a b"});
  CHECK(f->integer("tokenizer.ggml.eos_token_id") == 6);
  CHECK(f->integer("tokenizer.ggml.padding_token_id") == 4);
  CHECK(f->integer("tokenizer.ggml.bos_token_id") == 4);
  CHECK(f->optional_boolean("tokenizer.ggml.add_bos_token") == false);
  CHECK(f->string("tokenizer.chat_template") == "{{ messages }}");

  CHECK(f->tensors().size() == 14);
  const auto* embedding = f->find_tensor("token_embd.weight");
  REQUIRE(embedding != nullptr);
  CHECK(embedding->type == TensorType::bf16);
  CHECK(embedding->data.size() == 128);
  CHECK(f->find_tensor("output.weight") == nullptr);
  const auto* q = f->find_tensor("blk.0.attn_q.weight");
  REQUIRE(q != nullptr);
  CHECK(q->type == TensorType::f16);
  CHECK(q->data[0] == std::byte{3});
  const auto* down = f->find_tensor("blk.0.ffn_down.weight");
  REQUIRE(down != nullptr);
  CHECK(down->shape == std::vector<std::size_t>{8, 16});
  for (const char* name :
       {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "blk.0.attn_q.bias",
        "blk.0.attn_k.weight", "blk.0.attn_k.bias", "blk.0.attn_v.weight", "blk.0.attn_v.bias",
        "blk.0.attn_output.weight", "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"})
    CHECK(f->find_tensor(name) != nullptr);
}

TEST_CASE("shards with an index, vocab.json with merges.txt and pairs of merges read the same", "[formats]") {
  const TestFolder whole("hf-whole"), cut("hf-cut"), pairs("hf-pairs");
  HfFiles files;
  files.write(whole);
  files.write_sharded(cut);
  cut.remove("tokenizer.json");
  cut.write("vocab.json", files.tokenizer["model"]["vocab"].dump());
  cut.write("merges.txt", "#version: 0.2\na b\r\n\n");
  const auto a = open(whole), b = open(cut);
  REQUIRE(a->tensors().size() == b->tensors().size());
  for (const auto& tensor : a->tensors()) {
    const auto* other = b->find_tensor(tensor.name);
    REQUIRE(other != nullptr);
    CHECK(other->shape == tensor.shape);
    CHECK(other->type == tensor.type);
  }
  const auto same_tokenizer = [&](const formats::ModelFile& f) {
    for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"})
      CHECK(*f.strings(key) == *a->strings(key));
    CHECK(f.integers("tokenizer.ggml.token_type") == a->integers("tokenizer.ggml.token_type"));
    CHECK(f.integer("tokenizer.ggml.eos_token_id") == 6);
  };
  same_tokenizer(*b);
  files.tokenizer["model"]["merges"] = Json::parse(R"([["a", "b"]])");
  files.write(pairs);
  same_tokenizer(*open(pairs));
}

TEST_CASE("Qwen3 head size and separate output head", "[formats]") {
  const TestFolder folder("hf-qwen3");
  HfFiles files;
  files.config["model_type"] = "qwen3";
  files.config["head_dim"] = 16;
  files.config["attention_bias"] = false;
  files.config["tie_word_embeddings"] = false;
  files.tensors.push_back({"model.layers.0.self_attn.q_norm.weight", {16}});
  files.tensors.push_back({"model.layers.0.self_attn.k_norm.weight", {16}});
  files.tensors.push_back({"lm_head.weight", {8, 8}});
  files.write(folder);
  const auto f = open(folder);
  CHECK(f->string("general.architecture") == "qwen3");
  CHECK(f->integer("qwen3.attention.key_length") == 16);
  CHECK(f->integer("qwen3.attention.value_length") == 16);
  CHECK(f->find_tensor("blk.0.attn_q_norm.weight") != nullptr);
  CHECK(f->find_tensor("blk.0.attn_k_norm.weight") != nullptr);
  CHECK(f->find_tensor("output.weight") != nullptr);
}

TEST_CASE("variants found in published directories", "[formats]") {
  const TestFolder folder("hf-details");
  HfFiles files;
  files.tensors.push_back({"lm_head.weight", {8, 8}});  // a copy of the tied head
  files.tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {2}});
  files.config.erase("rope_theta");
  files.config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 5000}};
  files.config["rope_scaling"] = nullptr;
  files.config["sliding_window"] = 512;
  files.generation = {{"do_sample", false}, {"temperature", 0.5}, {"eos_token_id", 4}, {"top_k", nullptr}};
  files.tokenizer_config["chat_template"] = {{{"name", "tool_use"}, {"template", "T"}},
                                             {{"name", "default"}, {"template", "D"}}};
  files.tokenizer["added_tokens"][1]["content"] = "<|fim|>";
  files.tokenizer_config["added_tokens_decoder"]["5"]["content"] = "<|fim|>";
  files.write(folder);
  auto f = open(folder);
  CHECK(f->find_tensor("output.weight") == nullptr);
  CHECK(f->tensors().size() == 14);
  CHECK(f->real("qwen2.rope.freq_base") == 5000);
  CHECK(f->real("general.sampling.temp") == 0);  // greedy
  CHECK(f->find("general.sampling.top_k") == nullptr);
  CHECK(f->integers("qwen.generation.eos_token_ids") == std::vector<std::int32_t>{4});
  CHECK(f->strings("libqwen.trained_tasks") == nullptr);
  CHECK(f->string("tokenizer.chat_template") == "D");
  CHECK(f->integers("tokenizer.ggml.token_type")[5] == 3);  // "<|...|>" is a control token by its look
  folder.write("chat_template.jinja", std::string((4 << 20) + 1, ' '));
  CHECK_THROWS_WITH(formats::open_model_file(folder.path()), Contains("chat_template.jinja: 4194305 bytes"));
  folder.write("chat_template.jinja", "own file");
  CHECK(open(folder)->string("tokenizer.chat_template") == "own file");
  folder.remove("generation_config.json");
  folder.remove("tokenizer_config.json");
  f = open(folder);
  CHECK(f->integer("tokenizer.ggml.eos_token_id") == 6);  // config.json's
  CHECK(f->find("general.sampling.temp") == nullptr);
  folder.write("generation_config.json", R"({"libqwen_trained_tasks": ["chat", "intent"]})");
  f = open(folder);
  REQUIRE(f->strings("libqwen.trained_tasks"));
  CHECK(*f->strings("libqwen.trained_tasks") == std::vector<std::string_view>{"chat", "intent"});
  folder.write("generation_config.json", R"({"libqwen_trained_tasks": "chat"})");
  CHECK_THROWS_AS(open(folder), Error);
}

TEST_CASE("an unaligned tensor is copied", "[formats]") {
  const TestFolder folder("hf-odd");
  HfFiles files;
  files.write(folder);
  std::string bytes = safetensors_file(files.tensors);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  bytes.insert(8 + size, 1, ' ');
  ++size;
  std::memcpy(bytes.data(), &size, 8);
  folder.write("model.safetensors", bytes);
  const auto f = open(folder);
  for (const auto& tensor : f->tensors())
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.data.data()) % (tensor.type == TensorType::f32 ? 4 : 2) ==
          0);
  CHECK(f->find_tensor("blk.0.attn_norm.weight")->data[0] == std::byte{2});
  f->release(f->tensors()[0], f->tensors()[0].data);
}

TEST_CASE("config.json: missing, wrong and unsupported keys are named", "[formats]") {
  const auto config = [](const char* key, const Json& value, const std::string& text,
                         ErrorCode code = ErrorCode::bad_format) {
    refused_with([&](HfFiles& f) { f.config[key] = value; }, text, code);
  };
  for (const char* key :
       {"model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    refused_with([&](HfFiles& f) { f.config.erase(key); },
                 std::string("config.json: ") + key + " is missing");
    config(key, Json::array(), "config.json:");
  }
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                          "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    config(key, 0, "expected an integer from 1");
    config(key, -1, "expected an integer from 1");
    config(key, 1.5, "expected an integer");
    config(key, std::uint64_t{1} << 63, "expected an integer from 1");
  }
  config("model_type", "llama", "model_type \"llama\" is not supported, expected qwen2 or qwen3",
         ErrorCode::unsupported);
  config("hidden_act", "gelu", "hidden_act \"gelu\" is not supported", ErrorCode::unsupported);
  config("is_causal", false, "is_causal false is not supported", ErrorCode::unsupported);
  config("use_mrope", true, "use_mrope is not supported", ErrorCode::unsupported);
  config("mlp_bias", true, "mlp_bias is not supported", ErrorCode::unsupported);
  config("partial_rotary_factor", 0.5, "partial_rotary_factor 0.5 is not supported", ErrorCode::unsupported);
  config("architectures", {"Qwen2ForSequenceClassification"},
         "architecture \"Qwen2ForSequenceClassification\"", ErrorCode::unsupported);
  config("layer_types", {"sliding_attention"}, "\"sliding_attention\" is not supported",
         ErrorCode::unsupported);
  config("rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}}, "rope_scaling of type \"dynamic\"",
         ErrorCode::unsupported);
  config("rope_scaling", {{"type", "linear"}}, "RoPE scaling of type linear has no factor");
  config("rope_scaling", {{"type", "linear"}, {"factor", 0}}, "factor: expected a positive number");
  config("rope_scaling", {{"type", "default"}, {"mrope_section", {16, 24, 24}}},
         "unknown key \"mrope_section\"", ErrorCode::unsupported);
  config("rope_parameters", {{"full_attention", {{"rope_type", "longrope"}}}},
         "rope_parameters of type \"longrope\"", ErrorCode::unsupported);
  config("rope_parameters", {{"rope_type", "yarn"}, {"factor", 4}, {"truncate", false}}, "truncate false",
         ErrorCode::unsupported);
  config("quantization_config", {{"quant_method", "gptq"}}, "weights quantized by \"gptq\"",
         ErrorCode::unsupported);
  config("rope_theta", 0, "rope_theta: expected a positive number");
  config("rms_norm_eps", -1e-6, "rms_norm_eps: expected a positive number");
  config("rope_theta", "10", "expected a number");
  config("tie_word_embeddings", 1, "expected true or false");
  config("num_attention_heads", 3, "hidden_size 8 is not a multiple of num_attention_heads 3");
  config("num_key_value_heads", 4, "num_attention_heads 2 is not a multiple of num_key_value_heads 4");
  config("num_key_value_heads", 3, "num_attention_heads 2 is not a multiple of num_key_value_heads 3");
  config("vocab_size", 9, "model.embed_tokens.weight has 8 rows, vocab_size in config.json is 9");
  config("tie_word_embeddings", false, "lm_head.weight is missing", ErrorCode::not_found);
  config("bos_token_id", 8, "tokenizer.ggml.bos_token_id is 8, the vocabulary has 8");
}

TEST_CASE("a sliding window is refused if a layer uses it", "[formats]") {
  const auto window = [](int tokens, int from_layer) {
    const TestFolder folder("hf-window");
    HfFiles files;
    files.config["use_sliding_window"] = true;
    files.config["sliding_window"] = tokens;
    files.config["max_window_layers"] = from_layer;
    files.write(folder);
    open(folder);
  };
  window(16, 1);  // the model has one layer
  window(64, 0);  // as long as the context
  CHECK_THROWS_WITH(window(16, 0), Contains("a window of 16 tokens in the layers from 0 on"));
  // Qwen2's reference ignores attention_bias; Qwen3's adds biases.
  const TestFolder folder("hf-bias");
  HfFiles files;
  files.config["attention_bias"] = true;
  files.write(folder);
  open(folder);
  files.config["model_type"] = "qwen3";
  files.config["head_dim"] = 4;
  files.write(folder);
  refused(folder, "attention_bias is not supported", ErrorCode::unsupported);
}

TEST_CASE("special tokens: post-processors, added_tokens.json, flags of added tokens", "[formats]") {
  const TestFolder folder("hf-special");
  HfFiles files;
  const auto special = [](const char* id) { return Json{{"SpecialToken", {{"id", id}, {"type_id", 0}}}}; };
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const auto process = [&](const Json& single) {
    files.tokenizer["post_processor"] = {{"type", "Sequence"},
                                         {"processors",
                                          {{{"type", "ByteLevel"}, {"trim_offsets", false}},
                                           {{"type", "TemplateProcessing"}, {"single", single}}}}};
    files.write(folder);
  };
  files.write(folder);
  CHECK(open(folder)->optional_boolean("tokenizer.ggml.add_bos_token") == false);
  process({special("<|endoftext|>"), text});
  auto f = open(folder);
  CHECK(f->optional_boolean("tokenizer.ggml.add_bos_token") == true);
  CHECK(f->optional_boolean("tokenizer.ggml.add_eos_token") == false);
  CHECK(f->integer("tokenizer.ggml.bos_token_id") == 4);
  process({text, special("<|im_end|>")});
  f = open(folder);
  CHECK(f->optional_boolean("tokenizer.ggml.add_bos_token") == false);
  CHECK(f->optional_boolean("tokenizer.ggml.add_eos_token") == true);
  process({text, special("<|endoftext|>")});
  refused(folder, "which is not the EOS token", ErrorCode::unsupported);
  process({special("<|endoftext|>"), special("<|im_end|>"), text});
  refused(folder, "more than one special token", ErrorCode::unsupported);
  process({special("<s>"), text});
  refused(folder, "unknown token \"<s>\"");
  files.tokenizer["post_processor"] = {{"type", "BertProcessing"}};
  files.write(folder);
  refused(folder, "the post-processor \"BertProcessing\"", ErrorCode::unsupported);
  files.tokenizer.erase("post_processor");

  files.tokenizer["added_tokens"][1].update({{"lstrip", true}, {"rstrip", true}});
  files.tokenizer_config["added_tokens_decoder"]["5"].update({{"lstrip", true}, {"single_word", true}});
  files.write(folder);
  CHECK(open(folder)->integers("qwen.tokenizer.added_token_flags") ==
        std::vector<std::int32_t>{5, formats::kStripLeft | formats::kSingleWord});

  // Without added_tokens_decoder, as directories of before 2024.
  const TestFolder old("hf-old");
  HfFiles before;
  before.tokenizer_config.erase("added_tokens_decoder");
  before.write(old);
  old.remove("tokenizer.json");
  old.write("vocab.json", before.tokenizer["model"]["vocab"].dump());
  old.write("merges.txt", "\xEF\xBB\xBF#version: 0.2\na b\n");
  old.write("added_tokens.json", R"({"<s>": 4, "<tool_call>": 5, "<|im_end|>": 6})");
  old.write("special_tokens_map.json",
            R"({"bos_token": {"content": "<s>"}, "additional_special_tokens": ["<|im_end|>"]})");
  f = open(old);
  CHECK(f->integers("tokenizer.ggml.token_type") == std::vector<std::int32_t>{1, 1, 1, 1, 3, 4, 3, 5});
  CHECK((*f->strings("tokenizer.ggml.tokens"))[4] == "<s>");
}

TEST_CASE("directories and files that are not a model are named", "[formats]") {
  const TestFolder folder("hf-not");
  folder.write("adapter_config.json", "{}");
  refused(folder, "a LoRA adapter, not a model", ErrorCode::unsupported);
  folder.remove("adapter_config.json");
  folder.write("model.q4_0.gguf", "");
  refused(folder, "a directory of GGUF files", ErrorCode::not_found);
  std::filesystem::create_directories(folder / "models--Qwen--Qwen2.5-0.5B/snapshots/0123abc");
  refused(folder, "the root of a hub cache", ErrorCode::not_found);
  const auto failing = [](const std::string& path, const std::string& text) {
    CHECK_THROWS_WITH(formats::open_model_file(path), Contains(text));
  };
  failing(folder / "models--Qwen--Qwen2.5-0.5B",
          "the model is in " + (folder / "models--Qwen--Qwen2.5-0.5B/snapshots/0123abc"));
  failing("", "the path of the model is empty");
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1000000\n";
  folder.write("pointer.gguf", pointer);
  failing(folder / "pointer.gguf", "a Git LFS pointer, not the file itself");
  REQUIRE(::mkfifo((folder / "pipe.gguf").c_str(), 0600) == 0);
  failing(folder / "pipe.gguf", "it is a named pipe (FIFO)");
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json"}) {
    const TestFolder directory("hf-lfs");
    HfFiles().write(directory);
    directory.write(file, pointer);
    refused(directory, std::string(file) + ": a Git LFS pointer");
  }
}

TEST_CASE("generation_config.json: values out of range are passed on, malformed ones are refused",
          "[formats]") {
  const auto generation = [](const char* key, const Json& value, const std::string& text) {
    refused_with([&](HfFiles& f) { f.generation[key] = value; }, text);
  };
  const TestFolder folder("hf-generation");
  HfFiles files;
  files.generation.update({{"top_k", -1}, {"top_p", 0}, {"repetition_penalty", 0}});
  files.write(folder);
  CHECK(open(folder)->integer("general.sampling.top_k") == -1);
  CHECK(open(folder)->real("general.sampling.top_p") == 0);
  CHECK(open(folder)->real("general.sampling.penalty_repeat") == 0);
  files.generation["top_k"] = 20.0;
  files.write(folder);
  CHECK(open(folder)->integer("general.sampling.top_k") == 20);
  generation("temperature", "hot", "expected a number");
  generation("top_k", "20", "expected a number");
  generation("eos_token_id", Json::array({1, "x"}), "expected a number");
  generation("eos_token_id", std::vector<int>(65, 1), "more than 64 token ids");
}

TEST_CASE("missing files and broken JSON are named", "[formats]") {
  const TestFolder folder("hf-missing");
  const auto again = [&] { HfFiles().write(folder); };
  refused(folder, "it has no config.json", ErrorCode::not_found);
  again();
  folder.remove("model.safetensors");
  refused(folder, "no weights: expected model.safetensors or model.safetensors.index.json",
          ErrorCode::not_found);
  folder.write("pytorch_model.bin", "x");
  refused(folder, "pytorch_model.bin cannot be read", ErrorCode::not_found);
  again();
  folder.remove("tokenizer.json");
  refused(folder, "no tokenizer: expected tokenizer.json", ErrorCode::not_found);
  again();
  CHECK_THROWS_WITH(formats::open_model_file(folder / "model.safetensors"),
                    Contains("expected the directory that contains it"));
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}) {
    again();
    folder.write(name, "{\"a\": 1,\n oops}");
    refused(folder, std::string(name) + ":2:2: expected a key, found \"oops}\"");
    folder.write(name, "");
    refused(folder, std::string(name) + ":1:1: expected an object, found the end of the file");
    folder.write(name, "{\"a\":1,\"a\":2}");
    refused(folder, "duplicate key \"a\"");
  }
}

TEST_CASE("wrong weights: tensor and file are named", "[formats]") {
  refused_with([](HfFiles& f) { f.tensors.erase(f.tensors.begin()); }, "model.embed_tokens.weight is missing",
               ErrorCode::not_found);
  refused_with([](HfFiles& f) { f.tensors[1].name = "model.layers.1.input_layernorm.weight"; },
               "is of layer 1, config.json has 1 layers");
  refused_with([](HfFiles& f) { f.tensors[1].name = "model.layers.0.self_attn.q_proj.scale"; },
               "unexpected tensor \"model.layers.0.self_attn.q_proj.scale\" in a qwen2 model",
               ErrorCode::unsupported);
  for (const char* name :
       {"model.layers.00.mlp.up_proj.weight", "model.layers.-1.mlp.up_proj.weight", "model.layers.",
        "model.layers.99999999999.mlp.up_proj.weight", "model.layers.0mlp.up_proj.weight"})
    refused_with([&](HfFiles& f) { f.tensors[1].name = name; }, "in a qwen2 model", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tensors[1].shape = {1, 1, 1, 1, 8}; }, "expected 1 to 4 dimensions");
  refused_with([](HfFiles& f) { f.tensors[1].shape = {0}; }, "expected 1 to 4 dimensions of at least 1");
}

TEST_CASE("wrong shards and indexes are rejected", "[formats]") {
  const TestFolder folder("hf-shards");
  const HfFiles files;
  const std::string index = "model.safetensors.index.json", second = "model-00002-of-00002.safetensors";
  const auto with_index = [&](const Json& changed, const std::string& text,
                              ErrorCode code = ErrorCode::bad_format) {
    folder.write(index, changed.dump());
    refused(folder, text, code);
  };
  files.write_sharded(folder);
  CHECK(open(folder)->tensors().size() == 14);

  folder.remove(second);
  refused(folder, second + ": No such file or directory (model.safetensors.index.json names it)",
          ErrorCode::not_found);
  files.write_sharded(folder);
  const std::string whole = folder.read(second);
  folder.write(second, whole.substr(0, whole.size() - 1));
  refused(folder, "it is truncated");
  folder.write(second, whole.substr(0, 5));
  refused(folder, "the header's length");
  folder.write(second, safetensors_file({files.tensors.begin() + 5, files.tensors.end()}));
  refused(folder,
          "tensor \"model.layers.0.self_attn.k_proj.bias\" is also in model-00001-of-00002.safetensors");

  files.write_sharded(folder);
  Json changed = files.index();
  changed["weight_map"]["model.layers.0.more"] = second;
  with_index(changed, "tensor \"model.layers.0.more\" is not in " + second);
  changed = files.index();
  changed["weight_map"]["model.norm.weight"] = "model-00001-of-00002.safetensors";
  with_index(changed, "tensor \"model.norm.weight\" is not in model-00001-of-00002.safetensors");
  for (const char* name : {"../model.safetensors", "/etc/model.safetensors", "a/b.safetensors",
                           "a\\b.safetensors", "..", "model.safetensors.index.json", ""}) {
    changed["weight_map"]["model.norm.weight"] = name;
    with_index(changed, "expected the name of a .safetensors file in the same folder");
  }
  changed["weight_map"]["model.norm.weight"] = 5;
  with_index(changed, "expected a string");
  with_index({{"weight_map", Json::object()}}, "names no tensor");
  with_index({{"metadata", nullptr}}, "names no tensor");
  folder.write(index, R"({"weight_map":{"a":"x.safetensors","a":"y.safetensors"}})");
  refused(folder, "duplicate tensor \"a\"");
  folder.write(index, "[]");
  refused(folder, "expected an object");
}

TEST_CASE("wrong vocabularies are rejected", "[formats]") {
  const auto model = [](const char* key, const Json& value, const std::string& text,
                        ErrorCode code = ErrorCode::bad_format) {
    refused_with([&](HfFiles& f) { f.tokenizer["model"][key] = value; }, text, code);
  };
  model("type", "Unigram", "a tokenizer of type \"Unigram\" is not supported", ErrorCode::unsupported);
  model("byte_fallback", true, "byte_fallback is not supported", ErrorCode::unsupported);
  model("vocab", {{"a", 0}, {"b", 0}}, "tokens \"a\" and \"b\" have the same id 0");
  model("vocab", {{"a", 8}}, "expected an integer from 0 to 7, found \"8\"");
  model("vocab", {{"a", -1}}, "expected an integer from 0 to 7");
  model("vocab", {{"a", "x"}}, "expected a number");
  model("merges", {"ab"}, "merge 0: expected two tokens, found \"ab\"");
  model("merges", {"a b c"}, "merge 0: expected two tokens");
  model("merges", {" b"}, "merge 0: expected two tokens");
  model("merges", Json::parse(R"([["a"]])"), "merge 0: expected two tokens, found 1");
  model("merges", Json::parse(R"([["a", "b", "c"]])"), "merge 0: expected two tokens, found 3");
  model("merges", Json::parse(R"([["a", "b c"]])"), "merge 0: expected two tokens");
  refused_with([](HfFiles& f) { f.tokenizer["model"].erase("merges"); }, "has no merges");
  refused_with([](HfFiles& f) { f.tokenizer.erase("model"); }, "expected a model", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["normalizer"] = nullptr; },
               "the normalizer \"none\" is not supported", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["pre_tokenizer"] = nullptr; }, "one split pattern",
               ErrorCode::unsupported);
  refused_with(
      [](HfFiles& f) { f.tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\s+"; },
      "the split pattern \"\\s+\" is not Qwen2's", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["pre_tokenizer"]["pretokenizers"][0]["type"] = "Metaspace"; },
               "the pre-tokenizer \"Metaspace\" is not supported", ErrorCode::unsupported);
  const auto pre = [](int index, const char* key, const Json& value, const std::string& text) {
    refused_with(
        [&](HfFiles& f) {
          f.tokenizer["pre_tokenizer"]["pretokenizers"][static_cast<std::size_t>(index)][key] = value;
        },
        text, ErrorCode::unsupported);
  };
  pre(0, "behavior", "Removed", "split behavior \"Removed\"");
  pre(0, "invert", true, "invert is not supported");
  pre(1, "add_prefix_space", true, "add_prefix_space and use_regex false only");
  pre(1, "use_regex", true, "add_prefix_space and use_regex false only");
  refused_with([](HfFiles& f) { f.tokenizer["pre_tokenizer"]["pretokenizers"][1].erase("use_regex"); },
               "add_prefix_space and use_regex false only", ErrorCode::unsupported);
  model("dropout", 0.1, "BPE dropout is not supported", ErrorCode::unsupported);
  model("end_of_word_suffix", "</w>", "end_of_word_suffix is not supported", ErrorCode::unsupported);
  refused_with(
      [](HfFiles& f) {
        f.tokenizer["decoder"] = {{"type", "WordPiece"}};
      },
      "the decoder \"WordPiece\"", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0]["id"] = 8; },
               "has id 8, the vocabulary has 8 tokens");
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0]["id"] = 3; }, "have the same id 3");
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0].erase("id"); }, "an added token has no id");
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0].erase("content"); },
               "an added token has no content");
  refused_with(
      [](HfFiles& f) {
        f.tokenizer_config["added_tokens_decoder"] = {{"x", Json::object()}};
      },
      "expected an id as key, found \"x\"");
  const TestFolder folder("hf-merges");
  HfFiles files;
  files.write(folder);
  folder.remove("tokenizer.json");
  folder.write("vocab.json", R"({"a":0,"b":1})");
  refused(folder, "no tokenizer", ErrorCode::not_found);
  folder.write("merges.txt", "a b\nab\n");
  refused(folder, "merges.txt:2: expected two tokens, found \"ab\"");
  folder.write("merges.txt", "a b\n");
  files.tokenizer_config["tokenizer_class"] = "GPT2Tokenizer";
  folder.write("tokenizer_config.json", files.tokenizer_config.dump());
  refused(folder, "tokenizer_class \"GPT2Tokenizer\" is not supported", ErrorCode::unsupported);
}

TEST_CASE("a SentencePiece model is stored whole and as pieces", "[formats]") {
  // Pieces as protobuf: field 1 with text, score and type.
  const auto piece = [](const std::string& text, float score, int type) {
    std::string inside = "\x0a";
    inside += static_cast<char>(text.size());
    inside += text + "\x15";
    inside.append(reinterpret_cast<const char*>(&score), 4);
    if (type != 1) inside += std::string("\x18") + static_cast<char>(type);
    return std::string("\x0a") + static_cast<char>(inside.size()) + inside;
  };
  const std::string trainer = "\x12\x02\x18\x02";  // field 2: another message
  const std::string model = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("<0x0A>", 0, 6) + trainer +
                            piece("\xE2\x96\x81", -1.5f, 1);
  const TestFolder folder("hf-sp");
  HfFiles files;
  files.write(folder);
  folder.write("tokenizer.model", model);
  const auto f = open(folder);
  CHECK(f->string("tokenizer.ggml.model") == "llama");
  CHECK(*f->strings("tokenizer.ggml.tokens") == Words{"<unk>", "<s>", "<0x0A>", "\xE2\x96\x81",
                                                      "<|endoftext|>", "<tool_call>", "<|im_end|>",
                                                      "[PAD7]"});
  CHECK(f->integers("tokenizer.ggml.token_type") == std::vector<std::int32_t>{2, 3, 6, 1, 3, 4, 3, 5});
  CHECK(f->floats("tokenizer.ggml.scores") == std::vector<float>{0, 0, 0, -1.5f, 0, 0, 0, 0});
  const auto* raw = f->find("qwen.sentencepiece.model");
  REQUIRE(raw != nullptr);
  CHECK(std::string(reinterpret_cast<const char*>(raw->numbers.data()), raw->numbers.size()) == model);

  folder.write("tokenizer.model", "");
  refused(folder, "it has no pieces");
  folder.write("tokenizer.model", "\x0a\x7f");
  refused(folder, "tokenizer.model: at byte 2: a field: expected 127 bytes");
  folder.write("tokenizer.model", std::string(11, '\xff'));
  refused(folder, "a number longer than 64 bits");
  folder.write("tokenizer.model", "\x0f");
  refused(folder, "wire type 7");
  folder.write("tokenizer.model", piece("x", 0, 9));
  refused(folder, "a piece of type 9");
  std::string many;
  for (int i = 0; i < 9; ++i) many += piece(cat("x", i), 0, 1);
  folder.write("tokenizer.model", many);
  refused(folder, "has id 8, the vocabulary has 8 tokens");
}
