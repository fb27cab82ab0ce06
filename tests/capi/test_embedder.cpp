#include <cmath>

#include "capi/calls.h"

using namespace qwen::test::capi;

namespace {

Handle<qwen_embedder> embedder_of(const Handle<qwen_model>& model, const qwen_embedder_options* options) {
  qwen_embedder* made = nullptr;
  qwen_error error;
  ok(qwen_embedder_create(model.get(), options, &made, &error), error);
  return Handle<qwen_embedder>(made);
}

std::vector<float> embed(const Handle<qwen_embedder>& embedder, const char* instruction,
                         const std::string& text) {
  std::vector<float> values(qwen_embedder_dimensions(embedder.get()));
  qwen_error error;
  ok(qwen_embed(embedder.get(), instruction, text.data(), text.size(), values.data(), nullptr, &error),
     error);
  return values;
}

}  // namespace

TEST_CASE("embeddings over C: alone, in a batch, with options", "[capi]") {
  const auto model = tiny();
  const auto embedder = embedder_of(model, nullptr);
  const std::size_t width = qwen_embedder_dimensions(embedder.get());
  REQUIRE(width > 4);
  const char* texts[] = {"hello", "天气", "hello world"};
  std::vector<float> batch(3 * width);
  qwen_error error;
  ok(qwen_embed_batch(embedder.get(), nullptr, texts, 3, batch.data(), &error), error);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto one = embed(embedder, nullptr, texts[i]);
    CHECK(std::equal(one.begin(), one.end(), batch.begin() + static_cast<std::ptrdiff_t>(i * width)));
    double squares = 0;
    for (const float value : one) squares += static_cast<double>(value) * value;
    CHECK(squares == Approx(1));
  }
  CHECK(embed(embedder, "Find.", "hello") == embed(embedder, nullptr, "Instruct: Find.\nQuery:hello"));
  qwen_embedding figures{};
  figures.struct_size = sizeof figures;
  ok(qwen_embed(embedder.get(), nullptr, "hello", 5, batch.data(), &figures, &error), error);
  CHECK(figures.prompt_tokens > 0);
  CHECK(figures.truncated_tokens == 0);

  qwen_embedder_options options{};
  options.struct_size = sizeof options;
  options.dimensions = 4;
  options.no_normalize = 1;
  options.context = 8;
  options.truncate = 1;
  const auto small = embedder_of(model, &options);
  REQUIRE(qwen_embedder_dimensions(small.get()) == 4);
  const std::string longer(200, 'x');
  figures.struct_size = sizeof figures;
  ok(qwen_embed(small.get(), nullptr, longer.data(), longer.size(), batch.data(), &figures, &error), error);
  CHECK(figures.prompt_tokens == 8);
  CHECK(figures.truncated_tokens > 0);
}

TEST_CASE("embeddings over C: wrong calls are refused", "[capi]") {
  const auto model = tiny();
  qwen_embedder* made = nullptr;
  qwen_error error;
  CHECK(qwen_embedder_create(nullptr, nullptr, &made, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_embedder_create(model.get(), nullptr, nullptr, &error) == QWEN_INVALID_ARGUMENT);
  qwen_embedder_options options{};
  options.struct_size = sizeof options;
  options.dimensions = 1 << 20;
  CHECK(qwen_embedder_create(model.get(), &options, &made, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(made == nullptr);
  options.dimensions = 0;
  options.context = 8;
  const auto embedder = embedder_of(model, &options);
  std::vector<float> values(qwen_embedder_dimensions(embedder.get()));
  const std::string longer(200, 'x');
  CHECK(qwen_embed(embedder.get(), nullptr, longer.data(), longer.size(), values.data(), nullptr, &error) ==
        QWEN_CONTEXT_FULL);
  CHECK(qwen_embed(embedder.get(), nullptr, "x", 1, nullptr, nullptr, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_embed(nullptr, nullptr, "x", 1, values.data(), nullptr, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_embed_batch(embedder.get(), nullptr, nullptr, 2, values.data(), &error) ==
        QWEN_INVALID_ARGUMENT);
  CHECK(qwen_embedder_dimensions(nullptr) == 0);
  qwen_embedder_free(nullptr);
}
