// Embeddings and reranking.
#include "capi/boundary.h"

using namespace qwen;
using namespace qwen::capi;

namespace {

EmbedOptions with_instruction(const EmbedOptions& options, const char* instruction) {
  EmbedOptions out = options;
  if (instruction != nullptr) out.instruction = instruction;
  return out;
}

std::size_t dimensions_of(const qwen_embedder& embedder) {
  const int chosen = embedder.options.dimensions;
  return static_cast<std::size_t>(chosen > 0 ? chosen : embedder.embedder.dimensions());
}

}  // namespace

extern "C" {

std::int32_t qwen_embedder_create(const qwen_model* model, const qwen_embedder_options* options,
                                  qwen_embedder** embedder, qwen_error* error) {
  return call(error, [&] {
    require_not_null(embedder, "embedder") = nullptr;
    const qwen_embedder_options from = read_sized(options, "qwen_embedder_options");
    EmbedOptions embed;
    embed.dimensions = from.dimensions;
    embed.normalize = from.no_normalize == 0;
    embed.overflow = from.truncate != 0 ? TextOverflow::truncate : TextOverflow::refuse;
    EngineOptions engine;
    engine.context = from.context;
    engine.kv_type = kv_type_of(from.kv_type);
    Embedder made(inline_engine(model, engine));
    if (from.dimensions < 0 || from.dimensions > made.dimensions())
      invalid_argument("dimensions: expected 0 to " + std::to_string(made.dimensions()) + ", found " +
                       std::to_string(from.dimensions));
    *embedder = new qwen_embedder{std::move(made), embed};
  });
}

void qwen_embedder_free(qwen_embedder* embedder) {
  delete embedder;
}

std::size_t qwen_embedder_dimensions(const qwen_embedder* embedder) {
  return embedder != nullptr ? dimensions_of(*embedder) : 0;
}

std::int32_t qwen_embed(qwen_embedder* embedder, const char* instruction, const char* text,
                        std::size_t length, float* values, qwen_embedding* result, qwen_error* error) {
  return call(error, [&] {
    qwen_embedder& by = require_not_null(embedder, "embedder");
    require_not_null(values, "values");
    if (result != nullptr) size_to_fill(result, "result");
    const Embedding found =
        by.embedder.embed(text_of(text, length, "text"), with_instruction(by.options, instruction));
    std::copy(found.values.begin(), found.values.end(), values);
    if (result == nullptr) return;
    qwen_embedding out{};
    out.struct_size = sizeof out;
    out.prompt_tokens = found.prompt_tokens;
    out.cached_tokens = found.cached_tokens;
    out.truncated_tokens = found.truncated_tokens;
    out.seconds = found.seconds;
    write_sized(result, out, "result");
  });
}

std::int32_t qwen_embed_batch(qwen_embedder* embedder, const char* instruction, const char* const* texts,
                              std::size_t count, float* values, qwen_error* error) {
  return call(error, [&] {
    qwen_embedder& by = require_not_null(embedder, "embedder");
    if (count > 0) require_not_null(values, "values");
    const std::vector<std::string> all = texts_of(texts, count, "texts");
    const auto found = by.embedder.embed_batch(all, with_instruction(by.options, instruction));
    for (std::size_t i = 0; i < found.size(); ++i)
      std::copy(found[i].values.begin(), found[i].values.end(), values + i * dimensions_of(by));
  });
}

std::int32_t qwen_reranker_create(const qwen_model* model, const qwen_reranker_options* options,
                                  qwen_reranker** reranker, qwen_error* error) {
  return call(error, [&] {
    require_not_null(reranker, "reranker") = nullptr;
    const qwen_reranker_options from = read_sized(options, "qwen_reranker_options");
    RerankOptions rerank;
    if (from.instruction != nullptr) rerank.instruction = from.instruction;
    rerank.overflow = from.truncate != 0 ? TextOverflow::truncate : TextOverflow::refuse;
    EngineOptions engine;
    engine.context = from.context;
    engine.kv_type = kv_type_of(from.kv_type);
    *reranker = new qwen_reranker{Reranker(inline_engine(model, engine)), rerank};
  });
}

void qwen_reranker_free(qwen_reranker* reranker) {
  delete reranker;
}

std::int32_t qwen_rerank(qwen_reranker* reranker, const char* query, const char* const* documents,
                         std::size_t count, double* scores, qwen_error* error) {
  return call(error, [&] {
    qwen_reranker& by = require_not_null(reranker, "reranker");
    const std::string_view asked = text_of(query, QWEN_NUL_TERMINATED, "query");
    if (count > 0) require_not_null(scores, "scores");
    const auto found = by.reranker.score_batch(asked, texts_of(documents, count, "documents"), by.options);
    std::transform(found.begin(), found.end(), scores, [](const Relevance& one) { return one.score; });
  });
}

}  // extern "C"
