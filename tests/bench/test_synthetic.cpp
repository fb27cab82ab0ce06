#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <map>

#include "formats/model_file.h"
#include "qwen/error.h"
#include "qwen/session.h"
#include "run.h"
#include "synthetic.h"

using namespace qwen;
using namespace qwen::bench;

namespace {

// Megabytes of weights that a decoded token reads: every matrix once, and of a separate embedding a row.
double megabytes_per_token(const std::string& text) {
  const SyntheticSpec spec = parse_synthetic(text);
  double bytes = 0;
  for (const PlannedTensor& tensor : plan_tensors(spec))
    if (tensor.shape.size() == 2 && (spec.shape.tied_head || tensor.name != "token_embd.weight"))
      bytes += static_cast<double>(tensor.shape[0] * row_bytes(tensor.type, tensor.shape[1]));
  return bytes * 1e-6;
}

}  // namespace

TEST_CASE("synthetic models have the sizes of the published files", "[bench]") {
  const std::map<std::string, double> expected = {
      {"qwen2.5-0.5b:f16", 987.9},    {"qwen2.5-0.5b:q8_0", 524.8},   {"qwen2.5-0.5b:q4_0", 345.9},
      {"qwen2.5-0.5b:q2_k", 332.4},   {"qwen2.5-0.5b:q3_k_m", 349.2}, {"qwen2.5-0.5b:iq4_xs", 345.2},
      {"qwen2.5-0.5b:iq4_nl", 348.1}, {"qwen2.5-0.5b:q4_k_m", 391.6}, {"qwen2.5-0.5b:q5_k_m", 413.9},
      {"qwen2.5-0.5b:q6_k", 499.5},   {"qwen1.5-0.5b:q8_0", 492.9},   {"qwen1.5-0.5b:q4_k_m", 313.2},
      {"qwen1.5-0.5b:q2_k", 240.9},   {"qwen1.5-0.5b:iq4_xs", 292.8}};
  for (const auto& [spec, megabytes] : expected) {
    INFO(spec);
    CHECK(megabytes_per_token(spec) == Approx(megabytes).margin(0.1));
  }
}

TEST_CASE("unknown shapes and types are refused with the known ones", "[bench]") {
  CHECK_THROWS_WITH(parse_synthetic("qwen9:q4_0"),
                    Catch::Contains("unknown shape \"qwen9\"") && Catch::Contains("qwen2.5-0.5b"));
  CHECK_THROWS_WITH(parse_synthetic("tiny:q9"),
                    Catch::Contains("unknown type \"q9\"") && Catch::Contains("q4_k_m"));
  CHECK(parse_synthetic("Tiny").type == "q4_k_m");
}

TEST_CASE("a synthetic model of every type loads and gives finite logits", "[bench]") {
  for (const char* shape : {"tiny", "tiny-untied", "tiny-qwen3", "small"})
    for (const std::string& type : synthetic_types()) {
      INFO(shape << ":" << type);
      const ModelInMemory file(parse_synthetic(std::string(shape) + ":" + type));
      LoadOptions options;
      options.threads = 1;
      Session session(Model::load(file.path(), options));
      const std::vector<Token> tokens = {1, 2, 3, 4, 5};
      float low = 0, high = 0;
      for (const float logit : session.forward(tokens)) {
        REQUIRE(std::isfinite(logit));
        low = std::min(low, logit), high = std::max(high, logit);
      }
      CHECK(high - low > 0.01f);
    }
}

TEST_CASE("the same seed gives the same model", "[bench]") {
  const auto bytes = [](std::uint64_t seed) {
    const ModelInMemory file(parse_synthetic("tiny:q4_k_m"), seed);
    std::ifstream in(file.path(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(bytes(1) == bytes(1));
  CHECK(bytes(1) != bytes(2));
}

TEST_CASE("text survives the made-up tokeniser", "[bench]") {
  const ModelInMemory file(parse_synthetic("small:q4_0"));
  const Tokenizer tokenizer = Model::load_tokenizer(file.path());
  const std::string text = "Hello there, 你好 <|im_end|>";
  CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  CHECK(tokenizer.find_added_token("<|im_end|>").has_value());
}

TEST_CASE("what a run measures", "[bench]") {
  RunOptions options;
  options.synthetic = parse_synthetic("tiny:q8_0");
  options.prompts = {8, 16};
  options.generate = {4};
  options.depths = {0, 20};
  options.sequences = {1, 3};
  options.threads = {1};
  options.repeats = 2;
  const RunResult result = run_benchmark(options, [](const std::string&, double) {});
  REQUIRE(result.runs.size() == 1);
  const ThreadResult& one = result.runs[0];
  CHECK(one.prefill.size() == 4);
  CHECK(one.decode.size() == 4);
  for (const DecodeResult& decode : one.decode) {
    CHECK(decode.tokens_per_s.size() == 2);
    CHECK(decode.token_s.size() == 8);
    CHECK(decode.gb_per_s > 0);
    CHECK(decode.bandwidth_percent > 0);
  }
  CHECK(result.bytes_per_token == (2 * (64 * 64 * 2 + 32 * 64 * 2 + 3 * 128 * 64) + 512 * 64) * 34 / 32);
  CHECK(one.memory.resident > one.memory.weights);
  CHECK(one.load.total() > 0);
}

TEST_CASE("runs that cannot be are refused", "[bench]") {
  RunOptions options;
  options.synthetic = parse_synthetic("tiny:q8_0");
  options.threads = {1};
  const auto message = [&] {
    try {
      run_benchmark(options, [](const std::string&, double) {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  options.repeats = 0;
  CHECK(message() == "-r: expected at least 1, found 0");
  options.repeats = 1;
  options.threads = {4096};
  CHECK(message().find("-t 4096: this process may use") == 0);
  options.threads = {1};
  options.depths = {600};
  CHECK(message().find("the model's context is 512") != std::string::npos);
}
