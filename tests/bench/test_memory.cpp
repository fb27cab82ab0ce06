// Model::estimate against what a load and a full context really hold; the process as a whole:
// tests/tools/test_bench.py.
#include <catch2/catch.hpp>

#include "qwen/error.h"
#include "qwen/session.h"
#include "synthetic.h"

using namespace qwen;
using namespace qwen::bench;

TEST_CASE("the estimate's parts are those of the loaded model", "[bench]") {
  for (const char* name : {"small:q4_k_m", "small:f32", "small:bf16", "tiny-qwen3:q8_0"}) {
    for (const QuantizeOnLoad quantize : {QuantizeOnLoad::none, QuantizeOnLoad::int8}) {
      INFO(name << ", quantize " << static_cast<int>(quantize));
      const ModelInMemory file(parse_synthetic(name));
      LoadOptions load;
      load.threads = 2;
      load.quantize = quantize;
      const int context = 300;
      const MemoryEstimate estimate = Model::estimate(file.path(), context, 1, load);
      const Model model = Model::load(file.path(), load);
      CHECK(estimate.weights == model.weight_bytes());
      SessionOptions options;
      options.context = context;
      Session session(model, options);
      session.forward(std::vector<Token>(static_cast<std::size_t>(context), 1));
      CHECK(estimate.kv_cache == session.kv_bytes());
      CHECK(static_cast<double>(estimate.scratch) ==
            Approx(static_cast<double>(session.scratch_bytes())).epsilon(0.05));
      const MemoryEstimate twice = Model::estimate(file.path(), context, 2, load);
      CHECK(twice.kv_cache == 2 * estimate.kv_cache);
      CHECK(twice.weights == estimate.weights);
    }
  }
}

TEST_CASE("estimates that cannot be are refused", "[bench]") {
  const ModelInMemory file(parse_synthetic("tiny:q8_0"));
  CHECK_THROWS_WITH(Model::estimate(file.path(), 513), Catch::Contains("context: expected 1 to 512"));
  CHECK_THROWS_WITH(Model::estimate(file.path(), 0), Catch::Contains("context: expected 1 to 512"));
  CHECK_THROWS_WITH(Model::estimate(file.path(), 10, 0), Catch::Contains("sequences"));
  CHECK_THROWS_AS(Model::estimate("/nonexistent.gguf", 10), Error);
}
