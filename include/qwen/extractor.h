// Extraction: a text in, JSON of a known form out.
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
#include "qwen/generate.h"
#include "qwen/model.h"
#include "qwen/task.h"

namespace qwen {

// What was found in one text.
struct Extraction {
  std::string json;          // matches the task's schema; its members are in the schema's order
  int prompt_tokens = 0;     // of the whole prompt
  int cached_tokens = 0;     // of these, not computed again
  int generated_tokens = 0;  // of the answer, with a thought if the model had one
  int truncated_tokens = 0;  // of the text, left out because it did not fit
  double seconds = 0;  // from the request to the answer; other texts of a batch are computed at the same time
  double queue_seconds = 0;  // of these, waiting in the engine's queue
};

// A task of kind extract on a model. Every answer is valid: it is generated under Constraint::json_schema(Task::schema).
//
// Safe from many threads. At temperature 0, or with a seed, the bits of a result do not depend on batches, caches, other
// requests or earlier calls.
class QWEN_API Extractor {
 public:
  // Extracts in the calling thread, with a private inline engine and the default context.
  // Throws as the other constructor.
  Extractor(Model model, Task task);
  // Extracts with this engine, together with its other requests. Computes the task's fixed prompt.
  // Throws Error(invalid_argument) for a task of another kind, or one that breaks the rules of its file format.
  // Throws Error(invalid_argument) if Task::max_new_tokens leaves no room for a text in the context.
  // Throws Error(bad_format) or Error(unsupported) for the schema, as Constraint::json_schema().
  // Throws Error(unsupported) if the model has no chat template.
  Extractor(std::shared_ptr<Engine> engine, Task task);
  Extractor(Extractor&&) noexcept;
  Extractor& operator=(Extractor&&) noexcept;
  ~Extractor();

  const Task& task() const noexcept;                       // as given to the constructor
  const Model& model() const noexcept;                     // the engine's
  const std::shared_ptr<Engine>& engine() const noexcept;  // that computes

  // Extracts from one text.
  // Throws Error(invalid_argument) if no answer fits into Task::max_new_tokens.
  // Throws Error(context_full) if the text does not fit and the task refuses that.
  // Throws Error(cancelled) if `cancel` was set before the answer was complete.
  // Throws Error(busy) if the engine's queue is full.
  Extraction extract(std::string_view text, const CancelToken& cancel = {});
  // Extracts from many texts together; results are in the order of the texts. on_result gets each, in order and in the
  // calling thread, as soon as it and all before it are known; returning false ends the call with the results so far.
  // If the engine's queue is full, the call waits for its earlier texts.
  // Throws as extract(); one text's error ends the call.
  std::vector<Extraction> extract_batch(std::span<const std::string> texts,
                                        const Callback<std::size_t, const Extraction&>& on_result = {},
                                        const CancelToken& cancel = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qwen
