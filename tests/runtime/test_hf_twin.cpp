// A Hugging Face directory and the GGUF file made from it are the same model.
#include <catch2/catch.hpp>
#include <cstring>

#include "base/half.h"
#include "base/utf8.h"
#include "formats/hf_files.h"
#include "quant/test_data.h"
#include "qwen/quantize.h"
#include "qwen/qwen.h"

using namespace qwen;
using namespace qwen::test;

namespace {

constexpr int kLayers = 2, kHidden = 64, kHeads = 4, kKvHeads = 2, kFfn = 64, kVocab = 264, kContext = 64;

// The 256 byte tokens in GPT-2's spelling, two merged ones, three added ones, three rows without a token.
void set_vocabulary(HfFiles& files) {
  Json vocab;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    std::string text;
    append_utf8(text, printable ? byte : next++);
    vocab[text] = byte;
  }
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  files.tokenizer["model"]["vocab"] = vocab;
  files.tokenizer["model"]["merges"] = {"a b", "ab c"};
  for (int i = 0; i < 3; ++i) files.tokenizer["added_tokens"][static_cast<std::size_t>(i)]["id"] = 258 + i;
  files.config["bos_token_id"] = 258;
  files.config["eos_token_id"] = 260;
  files.generation["eos_token_id"] = {260, 258};
  files.tokenizer_config.erase("added_tokens_decoder");
}

void add_weights(HfFiles& files, const std::string& name, std::vector<std::size_t> shape,
                 const std::string& dtype) {
  std::size_t n = 1;
  for (const std::size_t d : shape) n *= d;
  std::string data;
  for (const float value : quant::normal_row(n, static_cast<unsigned>(files.tensors.size()), 1.0f)) {
    const float weight = name.ends_with("norm.weight") ? 1 + value / 8 : value / 4;
    const std::uint16_t half = dtype == "F16" ? f32_to_f16(weight) : f32_to_bf16(weight);
    if (dtype == "F32")
      data.append(reinterpret_cast<const char*>(&weight), 4);
    else
      data.append(reinterpret_cast<const char*>(&half), 2);
  }
  files.tensors.push_back({name, std::move(shape), dtype, std::move(data)});
}

HfFiles make_model(const std::string& architecture, const std::string& dtype, bool tied) {
  HfFiles files;
  const bool qwen3 = architecture == "qwen3";
  const std::size_t hidden = kHidden, ffn = kFfn, vocab = kVocab, head = qwen3 ? 32 : kHidden / kHeads;
  files.config.update({{"model_type", architecture},
                       {"hidden_size", kHidden},
                       {"num_hidden_layers", kLayers},
                       {"num_attention_heads", kHeads},
                       {"num_key_value_heads", kKvHeads},
                       {"intermediate_size", kFfn},
                       {"vocab_size", kVocab},
                       {"max_position_embeddings", kContext},
                       {"tie_word_embeddings", tied}});
  if (qwen3) files.config["head_dim"] = head;
  set_vocabulary(files);
  files.tensors.clear();
  const auto add = [&](const std::string& name, std::vector<std::size_t> shape) {
    add_weights(files, name, std::move(shape), dtype);
  };
  add("model.embed_tokens.weight", {vocab, hidden});
  for (int i = 0; i < kLayers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    add(layer + "input_layernorm.weight", {hidden});
    for (const auto& [name, rows] :
         {std::pair("q", kHeads * head), std::pair("k", kKvHeads * head), std::pair("v", kKvHeads * head)}) {
      const std::string projection = layer + "self_attn." + name;
      add(projection + "_proj.weight", {rows, hidden});
      if (!qwen3) add(projection + "_proj.bias", {rows});
      if (qwen3 && *name != 'v') add(projection + "_norm.weight", {head});
    }
    add(layer + "self_attn.o_proj.weight", {hidden, kHeads * head});
    add(layer + "post_attention_layernorm.weight", {hidden});
    add(layer + "mlp.gate_proj.weight", {ffn, hidden});
    add(layer + "mlp.up_proj.weight", {ffn, hidden});
    add(layer + "mlp.down_proj.weight", {hidden, ffn});
  }
  add("model.norm.weight", {hidden});
  if (!tied) add("lm_head.weight", {vocab, hidden});
  return files;
}

std::vector<float> logits(const Model& model, const std::vector<Token>& tokens) {
  SessionOptions options;
  options.context = kContext;
  Session session(model, options);
  std::vector<float> all;
  session.forward_all_logits(
      tokens, [&](int, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); });
  return all;
}

void check_twins(const HfFiles& files, bool sharded, const std::string& gguf_type) {
  const TestFolder folder("hf-twin"), other("hf-twin-gguf");
  if (sharded)
    files.write_sharded(folder);
  else
    files.write(folder);
  QuantizeOptions options;
  options.type = gguf_type;
  const std::string twin = other / "twin.gguf";
  quantize_file(folder.path(), twin, options);
  LoadOptions exact;
  exact.reference = true;
  exact.threads = 1;
  const Model a = Model::load(folder.path(), exact), b = Model::load(twin, exact);

  const std::string text = "abc <|im_end|> \xE4\xBD\xA0\xE5\xA5\xBD\n";
  const auto tokens = a.tokenizer().encode(text, Tokenizer::ControlTokens::parse);
  CHECK(tokens == b.tokenizer().encode(text, Tokenizer::ControlTokens::parse));
  CHECK(a.tokenizer().find_added_token("<|im_end|>") == 260);
  CHECK(a.is_end_of_turn(258));
  CHECK(b.is_end_of_turn(258));
  const auto left = logits(a, tokens), right = logits(b, tokens);
  REQUIRE(left.size() == tokens.size() * kVocab);
  REQUIRE(right.size() == left.size());
  CHECK(std::memcmp(left.data(), right.data(), left.size() * sizeof(float)) == 0);
  CHECK(*std::max_element(left.begin(), left.end()) > *std::min_element(left.begin(), left.end()));

  const ModelInfo& x = a.info();
  const ModelInfo& y = b.info();
  CHECK(x.architecture == y.architecture);
  CHECK(x.name == y.name);
  CHECK(x.parameters == y.parameters);
  CHECK(x.vocab_size == y.vocab_size);
  CHECK(x.shape.head_dim == y.shape.head_dim);
  CHECK(x.shape.tied_head == y.shape.tied_head);
  CHECK(x.sampling.top_k == 20);
  CHECK(y.sampling.top_k == 20);
  CHECK(x.sampling.repetition_penalty == y.sampling.repetition_penalty);
}

}  // namespace

TEST_CASE("a Hugging Face directory and its GGUF twin give the same logits bit for bit", "[runtime]") {
  SECTION("sharded bfloat16 with its own head, to F32") {
    check_twins(make_model("qwen2", "BF16", false), true, "F32");
  }
  SECTION("float32 with a tied head, to F32") {
    check_twins(make_model("qwen2", "F32", true), false, "F32");
  }
  SECTION("float16, to F16") {
    check_twins(make_model("qwen2", "F16", true), false, "F16");
  }
  SECTION("Qwen3 in bfloat16, to BF16") {
    check_twins(make_model("qwen3", "BF16", true), false, "BF16");
  }
}
