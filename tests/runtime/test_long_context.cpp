// RoPE scaling: logits against a float64 reference at positions up to 131,071, and every way to ask for it.
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "formats/hf_files.h"
#include "model/config.h"
#include "model/rope.h"
#include "qwen/qwen.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

const std::string kFolder = std::string(QWEN_TEST_DATA) + "/long_context/";

// [positions, vocabulary] of a .npy file of version 1.
std::vector<float> read_npy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const auto header = static_cast<std::size_t>(static_cast<unsigned char>(bytes[8]) |
                                               static_cast<unsigned char>(bytes[9]) << 8);
  REQUIRE(bytes.substr(10, header).find("'<f4', 'fortran_order': False") != std::string::npos);
  std::vector<float> values((bytes.size() - 10 - header) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + 10 + header, values.size() * sizeof(float));
  return values;
}

// The tokens of make_long_context.py.
std::vector<Token> tokens_up_to(int position) {
  std::vector<Token> tokens;
  for (std::int64_t i = 0; i <= position; ++i)
    tokens.push_back(static_cast<Token>((i * i * 31 + i * 7 + 11) % 251));
  return tokens;
}

void check_logits(const std::string& name, const RopeOptions& rope, const std::vector<int>& positions) {
  INFO(name);
  LoadOptions options;
  options.rope = rope;
  options.threads = 2;
  const Model model = Model::load(kFolder + "model.gguf", options);
  const auto vocabulary = static_cast<std::size_t>(model.shape().embedding_rows);
  const std::vector<float> golden = read_npy(kFolder + name + ".npy");
  REQUIRE(golden.size() == positions.size() * vocabulary);
  SessionOptions session_options;
  session_options.context = positions.back() + 1;
  session_options.kv_type = KvType::f32;
  Session session(model, session_options);
  const std::vector<Token> tokens = tokens_up_to(positions.back());
  double error = 0, total = 0;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto from = static_cast<std::size_t>(session.position());
    const auto logits =
        session.forward(std::span(tokens).subspan(from, static_cast<std::size_t>(positions[i]) + 1 - from));
    REQUIRE(logits.size() == vocabulary);
    for (std::size_t v = 0; v < vocabulary; ++v) {
      const double expected = static_cast<double>(golden[i * vocabulary + v]);
      const double difference = static_cast<double>(logits[v]) - expected;
      error += difference * difference;
      total += expected * expected;
    }
  }
  CHECK(error / total < 1e-7);  // another scaling is off by more than 0.1
}

ModelShape shape_of(const RopeOptions& rope) {
  LoadOptions options;
  options.rope = rope;
  return Model::inspect(kFolder + "model.gguf", options).shape;
}

RopeOptions scaled(RopeScaling type, float factor) {
  RopeOptions rope;
  rope.scaling = type;
  rope.factor = factor;
  return rope;
}

}  // namespace

TEST_CASE("long contexts equal the float64 reference", "[runtime][long-context]") {
  check_logits("none", {}, {4095, 32767});
  check_logits("linear", scaled(RopeScaling::linear, 4), {4095, 32767, 131071});
  check_logits("yarn", scaled(RopeScaling::yarn, 4), {4095, 32767, 131071});
  RopeOptions rope = scaled(RopeScaling::yarn, 4);
  rope.beta_fast = 16.0f;
  rope.beta_slow = 2.0f;
  rope.ext_factor = 0.5f;
  rope.attention_factor = 0.9f;
  check_logits("yarn_options", rope, {4095, 131071});
}

TEST_CASE("RoPE options: maximum context, defaults and contradictions", "[runtime][long-context]") {
  CHECK(shape_of({}).max_context == 32768);
  CHECK(shape_of(scaled(RopeScaling::linear, 2)).max_context == 65536);
  CHECK(shape_of(scaled(RopeScaling::yarn, 4)).max_context == 131072);
  RopeOptions factor_only;
  factor_only.factor = 4.0f;
  CHECK(shape_of(factor_only).rope_scaling == RopeScaling::linear);
  RopeOptions original = scaled(RopeScaling::yarn, 4);
  original.original_context = 8192;
  CHECK(shape_of(original).max_context == 32768);
  CHECK(shape_of(original).rope_original_context == 8192);
  RopeOptions base;
  base.freq_base = 5e5f;
  CHECK(shape_of(base).rope_theta == 5e5f);
  CHECK(shape_of(base).max_context == 32768);

  const auto refuse = [](const RopeOptions& rope, const std::string& text) {
    check_error(ErrorCode::invalid_argument, text, [&] { shape_of(rope); });
  };
  RopeOptions wrong;
  wrong.scaling = RopeScaling::yarn;
  refuse(wrong, "RoPE scaling needs a factor");
  refuse(scaled(RopeScaling::none, 4), "has no factor");
  refuse(scaled(RopeScaling::linear, 0), "rope scaling factor: expected a number from");
  wrong = scaled(RopeScaling::linear, 4);
  wrong.beta_fast = 32.0f;
  refuse(wrong, "the yarn options need RoPE scaling of type yarn");
  wrong = scaled(RopeScaling::yarn, 4);
  wrong.ext_factor = 2.0f;
  refuse(wrong, "yarn ext factor: expected a number from 0 to 1");
}

TEST_CASE("RoPE scaling of a GGUF file and of a directory", "[runtime][long-context][formats]") {
  const auto gguf = [](std::function<void(formats::GgufWriter&)> metadata) {
    TinyModel tiny;
    tiny.metadata = std::move(metadata);
    return load_tiny(tiny, {}).shape();
  };
  // A factor without a type is linear.
  ModelShape shape =
      gguf([](formats::GgufWriter& w) { w.set("qwen2.rope.scaling.factor", formats::meta_f32(4)); });
  CHECK(shape.rope_scaling == RopeScaling::linear);
  CHECK(shape.rope_factor == 4.0f);
  CHECK(shape.max_context == 4096);
  shape = gguf([](formats::GgufWriter& w) { w.set("qwen2.rope.scale_linear", formats::meta_f32(2)); });
  CHECK(shape.rope_scaling == RopeScaling::linear);
  shape = gguf([](formats::GgufWriter& w) {
    w.set("qwen2.rope.scaling.type", formats::meta_string("none"));
    w.set("qwen2.rope.scaling.factor", formats::meta_f32(4));
  });
  CHECK(shape.rope_scaling == RopeScaling::none);
  CHECK(shape.max_context == 1024);
  shape = gguf([](formats::GgufWriter& w) {
    w.set("qwen2.rope.scaling.type", formats::meta_string("yarn"));
    w.set("qwen2.rope.scaling.factor", formats::meta_f32(4));
    w.set("qwen2.rope.scaling.original_context_length", formats::meta_u32(512));
    w.set("qwen2.rope.scaling.yarn_beta_fast", formats::meta_f32(24));
  });
  CHECK(shape.rope_scaling == RopeScaling::yarn);
  CHECK(shape.max_context == 2048);
  CHECK(shape.rope_original_context == 512);
  CHECK(shape.yarn_beta_fast == 24.0f);

  const auto directory = [](const Json& changes) {
    const TestFolder folder("rope");
    HfFiles files;
    files.config.update(changes);
    files.write(folder);
    const auto file = formats::open_model_file(folder / "");
    return model::read_shape(*file);
  };
  const Json yarn = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};
  shape = directory({{"rope_scaling", yarn}});
  CHECK(shape.rope_scaling == RopeScaling::yarn);
  CHECK(shape.rope_factor == 4.0f);
  CHECK(shape.rope_original_context == 32);
  CHECK(shape.max_context == 128);
  CHECK(shape.rope_theta == 1e6f);
  shape =
      directory({{"rope_parameters",
                  {{"full_attention", {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5e5}}}}}});
  CHECK(shape.rope_scaling == RopeScaling::linear);
  CHECK(shape.rope_theta == 5e5f);
  CHECK(shape.max_context == 128);
  // attention_factor is absolute in config.json; missing, it is 0.1 ln(factor) + 1.
  Json with_attention = yarn;
  with_attention["attention_factor"] = 1.0;
  CHECK(model::make_rope_table(directory({{"rope_scaling", with_attention}})).magnitude ==
        Approx(1.0).epsilon(1e-6));
  CHECK(model::make_rope_table(directory({{"rope_scaling", yarn}})).magnitude ==
        Approx(1.1386294361).epsilon(1e-6));
}
