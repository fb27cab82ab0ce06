// Classification by scoring: the probabilities of all labels from one pass over the prompt.
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
#include "qwen/result_cache.h"
#include "qwen/task.h"

namespace qwen {

// How a label is found.
enum class ClassifyMode {
  score,     // the labels' probabilities
  generate,  // greedy generation up to the first complete label: how prompt-only systems classify
};

// The answer for one text.
struct Classification {
  int label = -1;          // index of the best label; -1: generate mode found none
  bool abstained = false;  // the best label is less probable than Task::abstain_below
  // Score mode: [labels], calibrated if the task is, with the sum 1. Empty in generate mode, as the next two.
  std::vector<double> probabilities;
  std::vector<double> logprobs;  // [labels] natural logarithms of the probabilities
  // [labels] log-probabilities of the label sequences, minus a number that all labels share: before calibration, after
  // the correction by Task::content_free.
  std::vector<double> scores;
  double margin = 0;         // the best probability less the second best; 1 for a single label
  std::string raw;           // generate mode: what the model wrote
  int prompt_tokens = 0;     // of the whole prompt
  int cached_tokens = 0;     // of these, not computed again
  int truncated_tokens = 0;  // of the text, left out because it did not fit
  bool cached = false;       // the answer came from the result cache
  double seconds = 0;  // from the request to the answer; other texts of a batch are computed at the same time
  double queue_seconds = 0;  // of these, waiting in the engine's queue
};

// What a classifier keeps between calls.
struct ClassifierOptions {
  std::shared_ptr<ResultCache<Classification>> results{};  // null: none
  // Whether the engine keeps the KV of the task's fixed prompt permanently (Engine::pin), or only as long as there is
  // room, which is better for tasks that are used for a short time.
  bool pin = true;
};

// A task of kind classify on a model. The label sequence of a label is its tokens as the model would write
// them after the prompt. The end-of-turn token belongs to it only if the label is the beginning of another label
// ("good", "good value"): without it, the tokens of one would be the beginning of the other's. The score of a label is
// the sum of the log-probabilities of its sequence's tokens, and the probabilities are their softmax over the labels.
//
// Safe from many threads. The bits of a result do not depend on batches, caches, other requests or earlier calls.
class QWEN_API Classifier {
 public:
  // Classifies in the calling thread, with a private inline engine and the default context.
  // Throws as the other constructor.
  Classifier(Model model, Task task, const ClassifierOptions& options = {});
  // Classifies with this engine, together with its other requests. Computes the task's fixed prompt and its content-free
  // texts.
  // Throws Error(invalid_argument) for a task of another kind, one that breaks the rules of its file format, or labels
  // with the same tokens.
  // Throws Error(unsupported) if the model has no chat template, or one that always begins a thought.
  Classifier(std::shared_ptr<Engine> engine, Task task, const ClassifierOptions& options = {});
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;
  ~Classifier();

  const Task& task() const noexcept;    // as given to the constructor
  const Model& model() const noexcept;  // the engine's
  // The engine that computes: the one given to the constructor, else a private inline engine.
  const std::shared_ptr<Engine>& engine() const noexcept;
  // Whether the task's calibration is used: it is ignored if it was fitted with another model or prompt.
  bool calibrated() const noexcept;

  // Classifies one text.
  // Throws Error(context_full) if the text does not fit and the task refuses that.
  // Throws Error(cancelled) if `cancel` was set before the label was known.
  // Throws Error(busy) if the engine's queue is full.
  Classification classify(std::string_view text, ClassifyMode mode = ClassifyMode::score,
                          const CancelToken& cancel = {});
  // Classifies many texts together; results are in the order of the texts. on_result gets each, in order and in the
  // calling thread, as soon as it and all before it are known; returning false ends the call with the results so far.
  // If the engine's queue is full, the call waits for its earlier texts.
  // Throws as classify(); one text's error ends the call.
  std::vector<Classification> classify_batch(
      std::span<const std::string> texts, ClassifyMode mode = ClassifyMode::score,
      const Callback<std::size_t, const Classification&>& on_result = {}, const CancelToken& cancel = {});

  // A text as the model gets it.
  struct Prompt {
    std::vector<Token> tokens;  // the whole conversation, by the chat template
    int truncated_tokens = 0;   // of the text, left out because it did not fit
  };
  // The prompt that classify() computes for this text. Throws Error(context_full) as classify().
  Prompt prompt(std::string_view text) const;
  // The label sequences that are scored, [labels].
  const std::vector<std::vector<Token>>& label_tokens() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Fits a calibration to scored texts with known labels, by Newton's method on the (convex) log loss; a weak
// pull to temperature 1 keeps it finite. With `offsets`, also one offset for each label.
// Throws Error(invalid_argument) for fewer than 2 texts, or for labels out of range.
QWEN_API Calibration fit_calibration(std::span<const Classification> results, std::span<const int> labels,
                                     bool offsets);
// The calibrated probabilities of `scores`.
QWEN_API std::vector<double> apply_calibration(std::span<const double> scores,
                                               const Calibration& calibration);

}  // namespace qwen
