// Reranking: how well each document answers a query.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/callback.h"
#include "qwen/engine.h"
#include "qwen/export.h"
#include "qwen/model.h"
#include "qwen/task.h"

namespace qwen {

// How documents are judged.
struct RerankOptions {
  // What a document should do for the query; the default is Qwen3-Reranker's.
  std::string instruction = "Given a web search query, retrieve relevant passages that answer the query";
  // Documents that do not fit into the context with the query: refuse throws; truncate leaves out tokens at their end.
  TextOverflow overflow = TextOverflow::refuse;
};

// The score of one document.
struct Relevance {
  double score = 0;          // probability of "yes" against "no", 0 to 1
  int prompt_tokens = 0;     // of the whole prompt
  int cached_tokens = 0;     // of these, not computed again
  int truncated_tokens = 0;  // of the document, left out because it did not fit
  double seconds = 0;        // from the request to the answer
  double queue_seconds = 0;  // of these, waiting in the engine's queue
};

// Scores documents with Qwen3-Reranker's prompt: the softmax of the logits of "yes" and "no" after it. The prompt's
// beginning, with the query, is computed once for all documents.
//
// For Qwen3-Reranker. Any other model with the tokens <|im_start|> and <|im_end|> is accepted as well: one that was
// not trained for it gives its probability of "yes", which may say little about the document.
//
// Safe from many threads. The bits of a result do not depend on batches, caches, other requests or earlier calls.
class QWEN_API Reranker {
 public:
  // Computes in the calling thread, with a private inline engine and the default context.
  // Throws Error(unsupported) if the vocabulary has no <|im_start|> or <|im_end|>.
  explicit Reranker(Model model);
  // Computes with this engine, together with its other requests. Throws as the other constructor.
  // Throws Error(invalid_argument) if it is null.
  explicit Reranker(std::shared_ptr<Engine> engine);
  Reranker(Reranker&&) noexcept;
  Reranker& operator=(Reranker&&) noexcept;
  ~Reranker();

  const Model& model() const noexcept;                     // the engine's
  const std::shared_ptr<Engine>& engine() const noexcept;  // that computes

  // The prompt for one document. Control tokens in the texts are ordinary text.
  std::vector<Token> prompt(std::string_view query, std::string_view document,
                            const RerankOptions& options = {}) const;
  // Scores one document.
  // Throws Error(context_full) if it does not fit and the options refuse that, or if the query alone does not fit.
  // Throws Error(cancelled) if `cancel` was set before the score was known.
  // Throws Error(busy) if the engine's queue is full.
  // Throws Error(bad_format) if the model computes NaN or infinity.
  Relevance score(std::string_view query, std::string_view document, const RerankOptions& options = {},
                  const CancelToken& cancel = {});
  // Scores many documents together; results are in the order of the documents, not of their scores. on_result gets
  // each, in order and in the calling thread, as soon as it and all before it are known; returning false ends the
  // call with the results so far. If the engine's queue is full, the call waits for its earlier documents.
  // Throws as score(); one document's error ends the call.
  std::vector<Relevance> score_batch(std::string_view query, std::span<const std::string> documents,
                                     const RerankOptions& options = {},
                                     const Callback<std::size_t, const Relevance&>& on_result = {},
                                     const CancelToken& cancel = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qwen
