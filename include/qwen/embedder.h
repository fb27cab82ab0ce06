// Embeddings: a text in, a vector out; texts of similar meaning have similar vectors.
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

// How texts become vectors.
struct EmbedOptions {
  // What a query is for, in one sentence: the text becomes "Instruct: {instruction}\nQuery:{text}", Qwen3-Embedding's
  // form. "": the text as it is, which is right for documents.
  std::string instruction{};
  int dimensions = 0;     // the first values only (MRL), 1 to Embedder::dimensions(); 0: all
  bool normalize = true;  // divide by the L2 norm, after the choice of dimensions
  // Texts of more than the context: refuse throws; truncate leaves out tokens at their end.
  TextOverflow overflow = TextOverflow::refuse;
};

// The vector of one text.
struct Embedding {
  std::vector<float> values;  // [dimensions]
  int prompt_tokens = 0;      // of the whole prompt, the end token included
  int cached_tokens = 0;      // of these, not computed again
  int truncated_tokens = 0;   // of the text, left out because it did not fit
  double seconds = 0;  // from the request to the answer; other texts of a batch are computed at the same time
  double queue_seconds = 0;  // of these, waiting in the engine's queue
};

// Embeddings by last-token pooling: the state of a text's last token after the final norm. The text ends with the
// token that the model's tokenizer prescribes (add_eos_token, or the post-processor; Qwen3-Embedding: <|endoftext|>).
//
// For Qwen3-Embedding. Any other model is accepted as well: one that was not trained for embeddings gives its last
// hidden state, whose distances are a poor measure of meaning.
//
// Safe from many threads. The bits of a result do not depend on batches, caches, other requests or earlier calls.
class QWEN_API Embedder {
 public:
  // Computes in the calling thread, with a private inline engine and the default context.
  explicit Embedder(Model model);
  // Computes with this engine, together with its other requests.
  // Throws Error(invalid_argument) if it is null.
  explicit Embedder(std::shared_ptr<Engine> engine);
  Embedder(Embedder&&) noexcept;
  Embedder& operator=(Embedder&&) noexcept;
  ~Embedder();

  int dimensions() const noexcept;                         // of a whole vector: ModelShape::hidden
  const Model& model() const noexcept;                     // the engine's
  const std::shared_ptr<Engine>& engine() const noexcept;  // that computes

  // Token ids of a text as they are embedded: with the instruction and the end token, not truncated. Control tokens
  // in the texts are ordinary text.
  std::vector<Token> prompt(std::string_view text, const EmbedOptions& options = {}) const;
  // Embeds one text.
  // Throws Error(invalid_argument) for dimensions out of range, or if the text has no tokens (an empty text without
  // an end token).
  // Throws Error(context_full) if the text does not fit and the options refuse that.
  // Throws Error(cancelled) if `cancel` was set before the vector was complete.
  // Throws Error(busy) if the engine's queue is full.
  // Throws Error(bad_format) if the model computes NaN or infinity.
  Embedding embed(std::string_view text, const EmbedOptions& options = {}, const CancelToken& cancel = {});
  // Embeds many texts together; results are in the order of the texts. on_result gets each, in order and in the
  // calling thread, as soon as it and all before it are known; returning false ends the call with the results so far.
  // If the engine's queue is full, the call waits for its earlier texts.
  // Throws as embed(); one text's error ends the call.
  std::vector<Embedding> embed_batch(std::span<const std::string> texts, const EmbedOptions& options = {},
                                     const Callback<std::size_t, const Embedding&>& on_result = {},
                                     const CancelToken& cancel = {});
  // The same for token ids, to which nothing is added: neither an instruction nor an end token.
  // Throws Error(invalid_argument) also for an id out of range, and if the options have an instruction.
  std::vector<Embedding> embed_batch(std::span<const std::vector<Token>> texts,
                                     const EmbedOptions& options = {},
                                     const Callback<std::size_t, const Embedding&>& on_result = {},
                                     const CancelToken& cancel = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qwen
