#include <catch2/catch.hpp>
#include <limits>

#include "base/fail.h"
#include "formats/test_folder.h"
#include "qwen/qwen.h"
#include "support/tiny_model.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

namespace {

Model load(const std::string& path, QuantizeOnLoad quantize, bool exact) {
  LoadOptions options;
  options.quantize = quantize;
  options.reference = exact;
  options.threads = 2;
  return Model::load(path, options);
}

std::vector<float> logits_for(const Model& model) {
  SessionOptions options;
  options.context = 64;
  options.kv_type = KvType::f32;
  Session session(model, options);
  std::vector<float> out;
  const std::vector<Token> tokens = {1, 50, 99, 100, 2, 33, 7, 200, 201};
  session.forward_all_logits(tokens, [&](int, std::span<const float> logits) {
    out.insert(out.end(), logits.begin(), logits.end());
  });
  return out;
}

}  // namespace

TEST_CASE("quantized while loading: the same model as the quantized file", "[runtime]") {
  const TestFolder folder("quantize-on-load");
  TinyModel tiny;
  tiny.hidden = 256;
  tiny.head_dim = 64;
  tiny.ffn = 96;
  // From F32 that is no bfloat16, and from the 16-bit types of real checkpoints.
  for (const TensorType source : {TensorType::f32, TensorType::bf16, TensorType::f16}) {
    tiny.type = source;
    const std::string path = write_tiny_model(tiny, folder / "float.gguf");
    for (const auto& [how, type] : {std::pair{QuantizeOnLoad::int8, "Q8_0"}, {QuantizeOnLoad::q4, "Q4_0"}}) {
      QuantizeOptions options;
      options.type = type;
      options.overwrite = true;
      quantize_file(path, folder / "blocks.gguf", options);
      for (const bool exact : {false, true}) {
        INFO(name_of(source) << " to " << type << (exact ? ", exact" : ""));
        const Model loaded = load(path, how, exact);
        CHECK(logits_for(loaded) == logits_for(load(folder / "blocks.gguf", QuantizeOnLoad::none, exact)));
        CHECK(loaded.fingerprint() != load(path, QuantizeOnLoad::none, exact).fingerprint());
      }
    }
    // Q4_K where rows of 256 allow, Q4_0 where ffn_down's rows of 96 do not.
    QuantizeOptions options;
    options.type = "Q4_0";
    options.overwrite = true;
    options.tensor_types = {{"*.attn_*", "Q4_K"}, {"*.ffn_gate.*", "Q4_K"}, {"*.ffn_up.*", "Q4_K"}};
    quantize_file(path, folder / "blocks.gguf", options);
    CHECK(logits_for(load(path, QuantizeOnLoad::q4_k, false)) ==
          logits_for(load(folder / "blocks.gguf", QuantizeOnLoad::none, false)));
  }
}

TEST_CASE("quantizing while loading keeps what is quantized already and needs less memory", "[runtime]") {
  const TestFolder folder("quantize-on-load");
  TinyModel tiny;
  const std::string floats = write_tiny_model(tiny, folder / "float.gguf");
  tiny.type = TensorType::q8_0;
  const std::string blocks = write_tiny_model(tiny, folder / "blocks.gguf");
  CHECK(logits_for(load(blocks, QuantizeOnLoad::q4, false)) ==
        logits_for(load(blocks, QuantizeOnLoad::none, false)));
  CHECK(load(floats, QuantizeOnLoad::q4, false).weight_bytes() <
        load(floats, QuantizeOnLoad::none, false).weight_bytes() / 2);
}

TEST_CASE("weights that cannot be quantized stop the load by name", "[runtime]") {
  const TestFolder folder("quantize-on-load");
  TinyModel tiny;
  tiny.edit = [](TinyTensor& tensor) {
    if (tensor.name == "blk.1.ffn_up.weight") tensor.values[3] = std::numeric_limits<float>::infinity();
    return true;
  };
  const std::string path = write_tiny_model(tiny, folder / "float.gguf");
  for (const bool exact : {false, true}) {
    try {
      load(path, QuantizeOnLoad::q4, exact);
      FAIL("loaded");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::bad_format);
      CHECK_THAT(error.what(), Contains("blk.1.ffn_up.weight") && Contains("inf"));
    }
  }
}
