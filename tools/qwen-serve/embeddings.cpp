// /v1/embeddings, /v1/rerank, and Ollama's /api/embed and /api/embeddings.
#include <algorithm>
#include <bit>
#include <numeric>

#include "qwen-serve/embedding_requests.h"
#include "qwen-serve/endpoints.h"

namespace qwen_serve {
namespace {

// RFC 4648, with padding.
std::string base64(std::span<const float> values) {
  static_assert(std::endian::native == std::endian::little);
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  const std::size_t size = values.size_bytes();
  std::string text;
  text.reserve((size + 2) / 3 * 4);
  for (std::size_t i = 0; i < size; i += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (i + k < size ? bytes[i + k] : 0u);
    for (int k = 3; k >= 0; --k) text += kDigits[three >> (6 * k) & 63];
  }
  std::fill_n(text.end() - static_cast<std::ptrdiff_t>((3 - size % 3) % 3), (3 - size % 3) % 3, '=');
  return text;
}

// The figures of a request's results, for its answer, log and metrics.
struct Totals {
  Usage usage;
  double queue_seconds = 0;

  template <class Result>
  void add(const Result& found) {
    usage.prompt_tokens += found.prompt_tokens;
    usage.cached_tokens += found.cached_tokens;
    queue_seconds = std::max(queue_seconds, found.queue_seconds);
  }
  void write(RequestContext& context) const {
    context.log.prompt_tokens = usage.prompt_tokens;
    context.log.cached_tokens = usage.cached_tokens;
    context.log.queue_seconds = queue_seconds;
    context.log.first_token_seconds = context.seconds();
  }
};

// Runs `compute`, and says why if it was cancelled.
template <class Compute>
void run_admitted(const AdmittedRequest& admitted, const Compute& compute) {
  try {
    compute();
  } catch (const qwen::Error& error) {
    if (error.code() == qwen::ErrorCode::cancelled) admitted.check();
    throw;
  }
  admitted.check();
}

std::vector<qwen::Embedding> embed(Service& service, const ServedModel& served, RequestContext& context,
                                   const EmbeddingRequest& request, Totals& totals) {
  context.log.task = "embedding";
  if (request.user) context.log.user = *request.user;
  qwen::Embedder embedder(served.engine);
  if (request.options.dimensions > embedder.dimensions())
    throw bad_field("dimensions", "dimensions: expected at most " + std::to_string(embedder.dimensions()) +
                                      ", found " + std::to_string(request.options.dimensions));
  for (const auto& ids : request.ids) served.check_tokens(ids, "input");
  const AdmittedRequest admitted(service, context);
  const auto check_size = [&](std::size_t tokens) {
    if (tokens == 0) throw bad_field("input", "input: a text is empty");
    const auto most = static_cast<std::size_t>(served.max_prompt());
    if (tokens > most && request.options.overflow == qwen::TextOverflow::refuse)
      throw ApiError(
          400, "context_length_exceeded",
          "input: a text has " + std::to_string(tokens) + " tokens; expected at most " + std::to_string(most),
          "input");
  };
  for (const auto& ids : request.ids) check_size(ids.size());
  for (const std::string& text : request.texts) check_size(embedder.prompt(text, request.options).size());
  std::vector<qwen::Embedding> found;
  run_admitted(admitted, [&] {
    found = request.ids.empty() ? embedder.embed_batch(request.texts, request.options, {}, admitted.token())
                                : embedder.embed_batch(request.ids, request.options, {}, admitted.token());
  });
  for (const qwen::Embedding& embedding : found) totals.add(embedding);
  totals.write(context);
  return found;
}

}  // namespace

void embeddings(Service& service, RequestContext& context) {
  const EmbeddingRequest request = read_embedding_request(parse_body(context.request.body));
  const ServedModelPtr served = service.use_model(context, request.model);
  Totals totals;
  const auto found = embed(service, *served, context, request, totals);
  Json data = Json::array();
  for (std::size_t i = 0; i < found.size(); ++i) {
    Json values = request.base64 ? Json(base64(found[i].values)) : tools::json_numbers(found[i].values);
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", std::move(values)}});
  }
  context.json(
      {{"object", "list"},
       {"data", std::move(data)},
       {"model", served->id},
       {"usage",
        {{"prompt_tokens", totals.usage.prompt_tokens}, {"total_tokens", totals.usage.prompt_tokens}}}});
}

void ollama_embed(Service& service, RequestContext& context) {
  const EmbeddingRequest request = read_ollama_embed_request(parse_body(context.request.body));
  const ServedModelPtr served = service.use_model(context, request.model);
  Totals totals;
  const auto found = embed(service, *served, context, request, totals);
  Json vectors = Json::array();
  for (const qwen::Embedding& embedding : found) vectors.push_back(tools::json_numbers(embedding.values));
  context.json({{"model", *request.model},
                {"embeddings", std::move(vectors)},
                {"total_duration", static_cast<std::int64_t>(context.seconds() * 1e9)},
                {"load_duration", 0},
                {"prompt_eval_count", totals.usage.prompt_tokens}});
}

void ollama_embeddings(Service& service, RequestContext& context) {
  const EmbeddingRequest request = read_ollama_embeddings_request(parse_body(context.request.body));
  const ServedModelPtr served = service.use_model(context, request.model);
  Json values = Json::array();
  if (!request.texts.empty()) {  // an empty prompt only loads the model
    Totals totals;
    values = tools::json_numbers(embed(service, *served, context, request, totals)[0].values);
  }
  context.json({{"embedding", std::move(values)}});
}

void rerank(Service& service, RequestContext& context) {
  const RerankRequest request = read_rerank_request(parse_body(context.request.body));
  const ServedModelPtr served = service.use_model(context, request.model);
  context.log.task = "rerank";
  if (request.user) context.log.user = *request.user;
  qwen::Reranker reranker(served->engine);
  const AdmittedRequest admitted(service, context);
  if (request.options.overflow == qwen::TextOverflow::refuse)
    for (const std::string& document : request.documents)
      served->check_prompt(reranker.prompt(request.query, document, request.options).size(), "documents");
  std::vector<qwen::Relevance> found;
  run_admitted(admitted, [&] {
    found = reranker.score_batch(request.query, request.documents, request.options, {}, admitted.token());
  });
  Totals totals;
  for (const qwen::Relevance& relevance : found) totals.add(relevance);
  totals.write(context);
  std::vector<std::size_t> order(found.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return found[a].score > found[b].score; });
  order.resize(std::min(order.size(), request.top_n));
  Json results = Json::array();
  for (const std::size_t i : order) {
    Json result = {{"index", i}, {"relevance_score", found[i].score}};
    if (request.return_documents) result["document"] = {{"text", request.documents[i]}};
    results.push_back(std::move(result));
  }
  context.json(
      {{"id", "rerank-" + context.id},
       {"model", served->id},
       {"results", std::move(results)},
       {"usage",
        {{"prompt_tokens", totals.usage.prompt_tokens}, {"total_tokens", totals.usage.prompt_tokens}}}});
}

}  // namespace qwen_serve
