#include "qwen/quantize.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/half.h"
#include "formats/gguf_writer.h"
#include "formats/model_file.h"
#include "formats/test_folder.h"
#include "quant/quant.h"
#include "quant/test_data.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

namespace {

using Shape = std::vector<std::size_t>;

struct Part {
  std::string name;
  Shape shape;
};

// Two layers of a model whose ffn_down has rows of 512 and all else rows of 96.
std::vector<Part> parts(bool own_head) {
  std::vector<Part> out = {{"token_embd.weight", {300, 96}}, {"output_norm.weight", {96}}};
  if (own_head) out.push_back({"output.weight", {300, 96}});
  for (int layer = 0; layer < 2; ++layer) {
    const std::string blk = "blk." + std::to_string(layer) + ".";
    out.push_back({blk + "attn_norm.weight", {96}});
    out.push_back({blk + "attn_q.weight", {96, 96}});
    out.push_back({blk + "attn_q.bias", {96}});
    out.push_back({blk + "attn_v.weight", {32, 96}});
    out.push_back({blk + "ffn_down.weight", {96, 512}});
  }
  return out;
}

std::vector<float> weights_of(const Part& part) {
  std::size_t n = 1;
  for (const std::size_t d : part.shape) n *= d;
  return quant::normal_row(n, static_cast<unsigned>(std::hash<std::string>{}(part.name)));
}

// Writes the model with matrices of `type` and vectors of F32.
std::string make_model(const TestFolder& folder, TensorType type = TensorType::f32, bool own_head = false,
                       float spoil = 0) {
  const std::string path = folder / (std::string("source-") + name_of(type) + ".gguf");
  formats::GgufWriter writer(path, true);
  writer.set("general.architecture", formats::meta_string("qwen2"));
  writer.set("general.name", formats::meta_string("tiny"));
  writer.set("general.file_type", formats::meta_u32(0));
  writer.set("qwen2.block_count", formats::meta_u32(2));
  writer.set("qwen2.attention.head_count", formats::meta_u32(3));
  writer.set("qwen2.attention.head_count_kv", formats::meta_u32(1));
  writer.set("tokenizer.ggml.tokens", formats::meta_strings({"a", "b"}));
  for (const Part& part : parts(own_head))
    writer.add_tensor(part.name, part.shape.size() > 1 ? type : TensorType::f32, part.shape);
  writer.begin();
  for (const Part& part : parts(own_head)) {
    std::vector<float> weights = weights_of(part);
    if (spoil != 0 && part.name == "blk.1.attn_q.weight") weights[100] = spoil;
    const TensorType to = part.shape.size() > 1 ? type : TensorType::f32;
    std::vector<std::byte> bytes(row_bytes(to, weights.size()));
    quant::quantize(to, weights, bytes.data());
    writer.write(bytes);
  }
  writer.finish();
  return path;
}

QuantizeReport convert(const std::string& in, const std::string& out, const QuantizeOptions& options) {
  return quantize_file(in, out, options);
}

QuantizeOptions options_of(const char* type) {
  QuantizeOptions options;
  options.type = type;
  options.threads = 2;
  return options;
}

std::string type_in(const std::string& path, const char* tensor) {
  return name_of(formats::open_model_file(path)->find_tensor(tensor)->type);
}

std::vector<char> bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string message_of(const std::function<void()>& action, ErrorCode code) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(to_string(error.code()) == std::string(to_string(code)));
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("every type: the file holds what the scalar quantizer makes of the source", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string source = make_model(folder);
  for (const QuantizeType& type : quantize_types()) {
    INFO(type.name);
    const std::string out = folder / (type.name + ".gguf");
    const QuantizeReport report = convert(source, out, options_of(type.name.c_str()));
    const auto written = formats::open_model_file(out);
    CHECK(report.type == type.name);
    CHECK(report.file_bytes == std::filesystem::file_size(out));
    CHECK(report.tensors.size() == parts(false).size());
    std::uint64_t bytes = 0;
    for (const Part& part : parts(false)) {
      const formats::Tensor* tensor = written->find_tensor(part.name);
      REQUIRE(tensor);
      CHECK(tensor->shape == part.shape);
      if (part.shape.size() == 1) CHECK(tensor->type == TensorType::f32);
      const std::vector<float> weights = weights_of(part);
      std::vector<std::byte> expected(row_bytes(tensor->type, weights.size()));
      quant::quantize(tensor->type, weights, expected.data());
      CHECK(std::memcmp(tensor->data.data(), expected.data(), expected.size()) == 0);
      bytes += expected.size();
    }
    CHECK(report.tensor_bytes == bytes);
    CHECK(report.bits_per_weight ==
          Approx(8.0 * static_cast<double>(bytes) / static_cast<double>(report.parameters)));
    CHECK(written->string("general.architecture") == "qwen2");
    CHECK(written->integer("general.quantization_version") == 2);
    CHECK(written->strings("tokenizer.ggml.tokens")->size() == 2);
  }
  CHECK(formats::open_model_file(folder / "Q4_K_M.gguf")->integer("general.file_type") == 15);
}

TEST_CASE("fallbacks are written and said", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string source = make_model(folder), out = folder / "out.gguf";
  const QuantizeReport report = convert(source, out, options_of("q4_k_m"));
  CHECK(type_in(out, "token_embd.weight") == "Q8_0");
  CHECK(type_in(out, "blk.0.attn_q.weight") == "Q5_0");
  CHECK(type_in(out, "blk.0.ffn_down.weight") == "Q4_K");
  CHECK(type_in(out, "blk.1.ffn_down.weight") == "Q6_K");
  REQUIRE(report.notes.size() == 2);
  CHECK(report.notes[1] ==
        "3 matrices (blk.0.attn_q.weight, ...) are written as Q5_0 instead of Q4_K: rows of 96 "
        "weights are no multiple of 256");
  CHECK(report.tensors[0].wanted == "Q6_K");
  CHECK(report.tensors[0].to == "Q8_0");
}

TEST_CASE("overrides: head, embedding, patterns, pure", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string tied = make_model(folder), own = make_model(folder, TensorType::f16, true),
                    out = folder / "o";
  QuantizeOptions options = options_of("Q4_0");
  options.overwrite = true;
  options.output_type = "F16";
  convert(tied, out, options);
  CHECK(type_in(out, "token_embd.weight") == "F16");
  options.embedding_type = "q5_0";
  convert(tied, out, options);
  CHECK(type_in(out, "token_embd.weight") == "Q5_0");
  convert(own, out, options);
  CHECK(type_in(out, "token_embd.weight") == "Q5_0");
  CHECK(type_in(out, "output.weight") == "F16");

  options = options_of("Q4_0");
  options.overwrite = true;
  options.tensor_types = {{"blk.1.*", "Q8_0"}, {"ffn_down", "Q6_K"}, {"*.attn_?.weight", "Q4_1"}};
  convert(own, out, options);
  CHECK(type_in(out, "blk.1.ffn_down.weight") == "Q8_0");
  CHECK(type_in(out, "blk.0.ffn_down.weight") == "Q6_K");
  CHECK(type_in(out, "blk.0.attn_v.weight") == "Q4_1");
  CHECK(type_in(out, "blk.1.attn_q.bias") == "F32");
  CHECK(type_in(out, "output.weight") == "Q8_0");

  options = options_of("Q4_0");
  options.overwrite = true;
  options.pure = true;
  convert(own, out, options);
  CHECK(type_in(out, "output.weight") == "Q4_0");
}

TEST_CASE("a source of blocks: same type is copied, another is said", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string source = make_model(folder, TensorType::q8_0), out = folder / "out.gguf";
  QuantizeReport report = convert(source, out, options_of("Q8_0"));
  CHECK(report.notes.empty());
  const auto a = formats::open_model_file(source), b = formats::open_model_file(out);
  for (const formats::Tensor& tensor : a->tensors())
    CHECK(std::memcmp(tensor.data.data(), b->find_tensor(tensor.name)->data.data(), tensor.data.size()) == 0);
  report = convert(source, folder / "smaller.gguf", options_of("Q4_1"));
  REQUIRE(report.notes.size() == 2);
  CHECK_THAT(report.notes[1], Contains("6 matrices were quantized in the source already"));
}

TEST_CASE("the bytes do not depend on the number of threads", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string source = make_model(folder, TensorType::bf16, true);
  std::vector<char> first;
  for (const int threads : {1, 2, 5}) {
    QuantizeOptions options = options_of("Q4_K_M");
    options.threads = threads;
    options.overwrite = true;
    convert(source, folder / "out.gguf", options);
    const std::vector<char> bytes = bytes_of(folder / "out.gguf");
    if (first.empty()) first = bytes;
    CHECK(bytes == first);
  }
}

TEST_CASE("nothing is left where quantization fails", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string source = make_model(folder), out = folder / "out.gguf";
  const auto files = [&] {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "")) ++n;
    return n;
  };
  const std::size_t before = files();
  const auto fails = [&](const QuantizeOptions& options, ErrorCode code, const std::string& in) {
    const std::string message = message_of([&] { convert(in, out, options); }, code);
    CHECK(files() == before);
    return message;
  };

  QuantizeOptions options = options_of("Q7_Z");
  CHECK_THAT(fails(options, ErrorCode::invalid_argument, source),
             Contains("found \"Q7_Z\"") && Contains("Q4_K_M"));
  options = options_of("Q4_0");
  options.output_type = "Q4_K_M";
  CHECK_THAT(fails(options, ErrorCode::invalid_argument, source),
             Contains("output type") && Contains("Q4_K_M"));
  options = options_of("Q4_0");
  options.tensor_types = {{"blk.7.*", "Q8_0"}};
  CHECK_THAT(fails(options, ErrorCode::invalid_argument, source),
             Contains("blk.7.*") && Contains("matches no matrix"));
  options = options_of("Q4_0");
  options.threads = -1;
  CHECK_THAT(fails(options, ErrorCode::invalid_argument, source), Contains("threads"));
  fails(options_of("Q4_0"), ErrorCode::not_found, folder / "missing.gguf");

  // Stopped by the caller at some tensor.
  options = options_of("Q4_0");
  int calls = 0;
  options.on_progress = [&](const QuantizeProgress& progress) {
    CHECK(progress.fraction >= 0);
    CHECK(progress.fraction <= 1);
    return ++calls < 5;
  };
  fails(options, ErrorCode::cancelled, source);
  CHECK(calls == 5);

  // A file of that name is there already.
  std::ofstream(out) << "precious";
  CHECK_THAT(message_of([&] { convert(source, out, options_of("Q4_0")); }, ErrorCode::invalid_argument),
             Contains("out.gguf"));
  CHECK(bytes_of(out).size() == 8);
}

TEST_CASE("weights that do not fit name their tensor", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string source = make_model(folder, TensorType::f32, false, 1e9f);
  CHECK_THAT(
      message_of([&] { convert(source, folder / "out.gguf", options_of("Q4_0")); }, ErrorCode::bad_format),
      Contains("tensor blk.1.attn_q.weight") && Contains("too large for Q4_0"));
  CHECK_FALSE(std::filesystem::exists(folder / "out.gguf"));
}

TEST_CASE("a full disk leaves nothing under the final name", "[runtime]") {
  const TestFolder folder("quantize");
  const std::string source = make_model(folder), out = folder / "out.gguf";
  struct rlimit old {};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit low { 20000, old.rlim_max };
  REQUIRE(setrlimit(RLIMIT_FSIZE, &low) == 0);
  const std::string message = message_of([&] { convert(source, out, options_of("F16")); }, ErrorCode::io);
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, previous);
  CHECK_THAT(message, Contains("out.gguf"));
  CHECK_FALSE(std::filesystem::exists(out));
}
