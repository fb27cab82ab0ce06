// What a model is said to need against what it then takes.
#include <catch2/catch.hpp>

#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// The parts that the library counts itself; tests/tools/test_bench.py looks at the whole process.
void check_estimate(const ModelCase& model_case) {
  const TestFolder folder("memory");
  const std::string path = write_tiny_model(model_case.tiny, folder / "tiny.gguf");
  LoadOptions options;
  options.threads = 2;
  options.reference = model_case.exact;
  const Model model = Model::load(path, options);
  SessionOptions session_options;
  session_options.context = 300;
  Session session(model, session_options);
  session.forward(random_ids(model, static_cast<std::size_t>(session_options.context)));
  const MemoryEstimate one = Model::estimate(path, session_options.context, 1, options);
  INFO(model_case.name << ": weights " << one.weights << ", KV " << one.kv_cache << ", scratch "
                       << one.scratch);
  // Exact weights and an embedding beside the head stay in the file, whose pages count too.
  if (model_case.exact || model_case.tiny.own_head)
    CHECK(one.weights > model.weight_bytes());
  else
    CHECK(one.weights == model.weight_bytes());
  CHECK(one.kv_cache == session.kv_bytes());
  CHECK(one.scratch >= session.scratch_bytes());
  CHECK(one.scratch < 2 * session.scratch_bytes());
  CHECK(one.total() == one.weights + one.kv_cache + one.scratch + one.other);

  const MemoryEstimate three = Model::estimate(path, session_options.context, 3, options);
  CHECK(three.weights >= one.weights);
  CHECK(three.kv_cache == 3 * one.kv_cache);
  CHECK(three.scratch == 3 * one.scratch);
}

}  // namespace

TEST_CASE("the estimate of memory is what model and session take", "[runtime]") {
  for (const ModelCase& model_case : model_cases()) check_estimate(model_case);
}

TEST_CASE("the estimate of memory refuses what load() and a session would", "[runtime]") {
  const std::string path = QWEN_TEST_DATA "/tiny.gguf";
  const int most = Model::inspect(path).shape.max_context;
  CHECK(Model::estimate(path, most).kv_cache > Model::estimate(path, 1).kv_cache);
  for (const int context : {0, -1, most + 1})
    check_error(ErrorCode::invalid_argument, "context: expected 1 to",
                [&] { Model::estimate(path, context); });
  check_error(ErrorCode::invalid_argument, "sequences", [&] { Model::estimate(path, 1, 0); });
  check_error(ErrorCode::not_found, "nothing.gguf", [] { Model::estimate("nothing.gguf", 1); });
}
