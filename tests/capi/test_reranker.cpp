#include "capi/calls.h"
#include "qwen/qwen.h"

using namespace qwen::test::capi;

namespace {

Handle<qwen_reranker> reranker_of(const Handle<qwen_model>& model, const qwen_reranker_options* options) {
  qwen_reranker* made = nullptr;
  qwen_error error;
  ok(qwen_reranker_create(model.get(), options, &made, &error), error);
  return Handle<qwen_reranker>(made);
}

const char* const kDocuments[] = {"a clean room", "", "天气"};

}  // namespace

TEST_CASE("reranking over C gives the scores of C++", "[capi]") {
  const auto model = tiny();
  const std::vector<std::string> documents(std::begin(kDocuments), std::end(kDocuments));
  qwen::Reranker cpp(qwen::Model::load(kTiny));
  qwen_error error;
  for (const char* instruction : {static_cast<const char*>(nullptr), "Find rooms.", ""}) {
    qwen_reranker_options options{};
    options.struct_size = sizeof options;
    options.instruction = instruction;
    const auto reranker = reranker_of(model, instruction == nullptr ? nullptr : &options);
    qwen::RerankOptions same;
    if (instruction != nullptr) same.instruction = instruction;
    const auto expected = cpp.score_batch("a room?", documents, same);
    double scores[3] = {-1, -1, -1};
    ok(qwen_rerank(reranker.get(), "a room?", kDocuments, 3, scores, &error), error);
    for (std::size_t i = 0; i < 3; ++i) CHECK(scores[i] == expected[i].score);
  }
}

TEST_CASE("reranking over C: documents that do not fit", "[capi]") {
  const auto model = tiny();
  const std::string longer(4000, 'x');
  const char* documents[] = {"x", longer.c_str()};
  qwen_reranker_options options{};
  options.struct_size = sizeof options;
  options.context = 480;
  qwen_error error;
  double scores[2] = {-1, -1};
  CHECK(qwen_rerank(reranker_of(model, &options).get(), "q", documents, 2, scores, &error) ==
        QWEN_CONTEXT_FULL);
  CHECK(scores[0] == -1);
  options.truncate = 1;
  ok(qwen_rerank(reranker_of(model, &options).get(), "q", documents, 2, scores, &error), error);
  CHECK(scores[1] > 0);
  CHECK(scores[1] < 1);
}

TEST_CASE("reranking over C: wrong calls are refused", "[capi]") {
  const auto model = tiny();
  qwen_reranker* made = nullptr;
  qwen_error error;
  CHECK(qwen_reranker_create(nullptr, nullptr, &made, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_reranker_create(model.get(), nullptr, nullptr, &error) == QWEN_INVALID_ARGUMENT);
  qwen_reranker_options options{};
  CHECK(qwen_reranker_create(model.get(), &options, &made, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(made == nullptr);
  const auto reranker = reranker_of(model, nullptr);
  double score = -1;
  CHECK(qwen_rerank(nullptr, "q", kDocuments, 1, &score, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_rerank(reranker.get(), nullptr, kDocuments, 1, &score, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_rerank(reranker.get(), "q", nullptr, 1, &score, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_rerank(reranker.get(), "q", kDocuments, 1, nullptr, &error) == QWEN_INVALID_ARGUMENT);
  const char* const missing[] = {nullptr};
  CHECK(qwen_rerank(reranker.get(), "q", missing, 1, &score, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(score == -1);
  ok(qwen_rerank(reranker.get(), "q", nullptr, 0, nullptr, &error), error);
  qwen_reranker_free(nullptr);
}
