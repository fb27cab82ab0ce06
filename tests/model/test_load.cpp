// Loading a model: what is wrong with a file is said in one line; progress, cancel, and what a model tells of
// itself.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "formats/model_file.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

TinyModel with_edit(std::function<bool(TinyTensor&)> edit) {
  TinyModel tiny = odd_shape(TensorType::q8_0);
  tiny.edit = std::move(edit);
  return tiny;
}

void refuse(const TinyModel& tiny, ErrorCode code, const std::string& text) {
  check_error(code, text, [&] { load_tiny(tiny, {}); });
}

std::vector<std::string> tensor_names(const TinyModel& shape) {
  std::vector<std::string> names;
  TinyModel tiny = shape;
  tiny.edit = [&](TinyTensor& tensor) {
    names.push_back(tensor.name);
    return true;
  };
  load_tiny(tiny, {});
  return names;
}

}  // namespace

TEST_CASE("each missing tensor is named", "[model][engine]") {
  for (const TinyModel& shape : {odd_shape(TensorType::q8_0), qwen3_shape(TensorType::q8_0)})
    for (const std::string& name : tensor_names(shape)) {
      TinyModel tiny = shape;
      tiny.edit = [&](TinyTensor& tensor) { return tensor.name != name; };
      INFO(name);
      if (name == "blk.0.attn_q.bias") {  // a model without biases, of which there are some
        refuse(tiny, ErrorCode::unsupported, "unexpected tensor \"blk.0.attn_k.bias\"");
        continue;
      }
      try {
        load_tiny(tiny, {});
        FAIL("loaded without " << name);
      } catch (const Error& error) {
        INFO(error.what());
        CHECK(error.code() == ErrorCode::not_found);
        CHECK(std::string(error.what()).find("tensor " + name + " is missing") != std::string::npos);
      }
    }
}

TEST_CASE("tensors of the wrong shape", "[model][engine]") {
  const auto reshape = [](const std::string& name, std::vector<std::size_t> shape) {
    return with_edit([=](TinyTensor& tensor) {
      if (tensor.name == name) {
        std::size_t n = 1;
        for (const std::size_t d : shape) n *= d;
        tensor.shape = shape;
        tensor.values.resize(n);
      }
      return true;
    });
  };
  refuse(reshape("blk.1.attn_q.weight", {96, 128}), ErrorCode::bad_format,
         "tensor blk.1.attn_q.weight: expected shape [96, 96], found [96, 128]");
  refuse(reshape("blk.0.attn_k.weight", {48, 96}), ErrorCode::bad_format,
         "expected shape [32, 96], found [48, 96]");
  refuse(reshape("blk.0.ffn_down.weight", {160, 96}), ErrorCode::bad_format,
         "expected shape [96, 160], found [160, 96]");
  refuse(reshape("blk.0.ffn_norm.weight", {95}), ErrorCode::bad_format, "expected shape [96], found [95]");
  refuse(reshape("blk.1.attn_v.bias", {2, 16}), ErrorCode::bad_format, "expected shape [32], found [2, 16]");
  refuse(reshape("output_norm.weight", {97}), ErrorCode::bad_format, "expected shape [96], found [97]");
  refuse(reshape("blk.0.attn_output.weight", {1, 96, 96}), ErrorCode::bad_format, "found [1, 96, 96]");
  // Fewer rows than the tokenizer has tokens.
  refuse(reshape("token_embd.weight", {200, 96}), ErrorCode::bad_format, "but the embedding has 200 rows");
}

TEST_CASE("vectors that are not finite", "[model][engine]") {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    refuse(with_edit([&](TinyTensor& tensor) {
             if (tensor.name == "blk.1.attn_k.bias") tensor.values[7] = bad;
             return true;
           }),
           ErrorCode::bad_format, "tensor blk.1.attn_k.bias: element 7 is not finite");
}

TEST_CASE("vectors and matrices of any type", "[model][engine]") {
  // Norms in half precision, and each matrix of another type.
  int next = 0;
  const TensorType types[] = {TensorType::q8_0, TensorType::f16, TensorType::q5_0,  TensorType::bf16,
                              TensorType::q4_1, TensorType::f32, TensorType::iq4_nl};
  TinyModel tiny = with_edit([&](TinyTensor& tensor) {
    if (tensor.shape.size() == 1) tensor.type = TensorType::f16;
    if (tensor.shape.size() == 2) tensor.type = types[next++ % 7];
    return true;
  });
  tiny.own_head = true;
  const Model model = load_tiny(tiny, {});
  const std::vector<Token> ids = random_ids(model, 11);
  const Logits logits = fresh_logits(model, ids);
  Session pieces = new_session(model, 1);
  CHECK(same_bits(pieces.forward(ids), logits));
  next = 0;
  LoadOptions options;
  options.reference = true;
  const Logits exact = fresh_logits(load_tiny(tiny, options), ids);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    error += (exact[i] - logits[i]) * (exact[i] - logits[i]);
    size += exact[i] * exact[i];
  }
  CHECK(error <= 3e-3 * size);
  CHECK(error > 0);
}

TEST_CASE("files that are no model", "[model][engine]") {
  check_error(ErrorCode::not_found, "no-such.gguf", [] { Model::load("no-such.gguf"); });
  check_error(ErrorCode::bad_format, "it has a vocabulary but no weights",
              [] { Model::load(QWEN_TEST_DATA "/text/small-vocab.gguf"); });
  const TestFolder folder("load");
  folder.write("empty.gguf", std::string_view());
  check_error(ErrorCode::bad_format, "empty.gguf", [&] { Model::load(folder / "empty.gguf"); });
  folder.write("text.gguf", "this is not a model, but long enough to be looked at more than once");
  check_error(ErrorCode::bad_format, "text.gguf", [&] { Model::load(folder / "text.gguf"); });
  CHECK_THROWS_AS(Model::load(folder.path()), Error);

  TinyModel tiny = odd_shape(TensorType::q8_0);
  tiny.metadata = [](formats::GgufWriter& writer) {
    writer.set("general.architecture", formats::meta_string("llama"));
  };
  refuse(tiny, ErrorCode::unsupported, "architecture \"llama\" is not supported");
  tiny.metadata = [](formats::GgufWriter& writer) {
    writer.set("tokenizer.ggml.pre", formats::meta_string("llama-bpe"));
  };
  refuse(tiny, ErrorCode::unsupported, "llama-bpe");
  tiny = odd_shape(TensorType::f32);
  tiny.heads = 6, tiny.kv_heads = 2, tiny.head_dim = 24;
  refuse(tiny, ErrorCode::unsupported, "head dimension: expected a multiple of 16, found 24");
}

TEST_CASE("progress of a load, and stopping it", "[model][engine]") {
  const TestFolder folder("progress");
  const std::string path = write_tiny_model(odd_shape(TensorType::q4_0), folder / "m.gguf");
  std::vector<std::pair<std::string, double>> seen;
  LoadOptions options;
  options.on_progress = [&](const LoadProgress& progress) {
    seen.emplace_back(progress.stage, progress.fraction);
    return true;
  };
  Model::load(path, options);
  REQUIRE(seen.size() > 10);
  CHECK(seen.front() == std::pair<std::string, double>("map", 0.0));
  CHECK(seen.back().first == "pack");
  CHECK(seen.back().second == Approx(1.0).margin(1e-9));
  for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i].second >= seen[i - 1].second);
  for (const std::size_t stop : {std::size_t{1}, std::size_t{2}, std::size_t{5}, seen.size()}) {
    std::size_t calls = 0;
    options.on_progress = [&](const LoadProgress&) { return ++calls < stop; };
    check_error(ErrorCode::cancelled, "was cancelled", [&] { Model::load(path, options); });
    CHECK(calls == stop);
  }
}

TEST_CASE("what a model tells of itself", "[model][engine]") {
  LoadOptions options;
  options.threads = 3;
  const Model model = load_tiny(qwen3_shape(TensorType::q5_1), options);
  const ModelInfo& info = model.info();
  CHECK(info.architecture == "qwen3");
  CHECK(info.name == "tiny");
  CHECK(info.shape.layers == 2);
  CHECK(info.shape.head_dim == 32);
  CHECK(info.shape.qk_norm);
  CHECK_FALSE(info.shape.qkv_bias);
  CHECK(info.shape.tied_head);
  CHECK(info.tokenizer == "bpe");
  CHECK(info.vocab_size == model.tokenizer().size());
  CHECK(info.shape.embedding_rows == info.vocab_size + 5);
  CHECK(info.chat_template == "custom");
  CHECK(model.threads() == 3);
  REQUIRE(info.tensors.size() == 2);
  CHECK(info.tensors[0].type == "Q5_1");
  CHECK(info.tensors[0].bytes > info.tensors[1].bytes);
  CHECK(info.bits_per_weight > 6.0);
  CHECK(info.bits_per_weight < 7.0);
  CHECK(model.is_end_of_turn(*model.tokenizer().find_added_token("<|im_end|>")));
  CHECK(model.is_end_of_turn(*model.tokenizer().find_added_token("<|endoftext|>")));
  CHECK_FALSE(model.is_end_of_turn(0));
  CHECK(model.weight_bytes() > 0);
  options.threads = 2000;
  check_error(ErrorCode::invalid_argument, "threads: expected 1 to 1024, found 2000",
              [&] { load_tiny(qwen3_shape(TensorType::f32), options); });
}

TEST_CASE("fingerprints tell models apart", "[model][engine]") {
  const TinyModel base = odd_shape(TensorType::q8_0);
  const auto print = [](const TinyModel& tiny, bool exact = false) {
    LoadOptions options;
    options.reference = exact;
    return load_tiny(tiny, options).fingerprint();
  };
  const std::uint64_t own = print(base);
  CHECK(print(base) == own);
  TinyModel other = base;
  other.seed = 2;
  CHECK(print(other) != own);
  other = base;
  other.layers = 3;
  CHECK(print(other) != own);
  other = base;
  other.metadata = [](formats::GgufWriter& writer) {
    writer.set("qwen2.rope.freq_base", formats::meta_f32(1e4f));
  };
  CHECK(print(other) != own);
  CHECK(print(base, true) != own);
}
