#include <sys/stat.h>

#include <filesystem>

#include "formats/hf_checks.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

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

TEST_CASE("tensor names without \"model.\", as Qwen3-Embedding's", "[formats]") {
  const TestFolder folder("hf-names");
  HfFiles files;
  files.write(folder);
  std::vector<std::string_view> expected, found;
  const auto whole = open(folder);
  for (const formats::Tensor& tensor : whole->tensors()) expected.push_back(tensor.name);
  for (HfTensor& tensor : files.tensors)
    if (tensor.name.starts_with("model.")) tensor.name.erase(0, 6);
  files.write(folder);
  const auto bare = open(folder);
  for (const formats::Tensor& tensor : bare->tensors()) found.push_back(tensor.name);
  CHECK(found == expected);
  files.tensors.push_back({"model.norm.weight", files.tensors.back().shape});
  files.write(folder);
  CHECK_THROWS_AS(open(folder), Error);  // norm.weight is there already
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
