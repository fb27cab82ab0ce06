// Classification by scoring: the probabilities of all labels from one pass over the prompt.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/engine.h"
#include "qwen/export.h"
#include "qwen/generate.h"
#include "qwen/model.h"
#include "qwen/prefix_cache.h"
#include "qwen/result_cache.h"
#include "qwen/task.h"

namespace qwen {

class Chat;
struct Analysis;
struct SayOptions;

enum class ClassifyMode {  // how a label is found
  score,                   // the labels' probabilities
  generate,                // greedy generation up to the first complete label: how prompt-only systems do it
};

struct Classification {    // a text's label
  int label = -1;          // the best label's index; -1: generate mode found none
  bool abstained = false;  // the best label is less probable than Task::abstain_below: no answer
  // In score mode, by label, calibrated where the task is; they sum to 1. Empty in generate mode.
  std::vector<double> probabilities;
  std::vector<double> logprobs;  // their natural logarithms
  // What they are made of: log-probabilities of the label sequences over the full vocabulary, up to a number
  // that all labels share. Content-free texts are accounted for, calibration is not.
  std::vector<double> scores;
  double margin = 0;         // the best probability less the second best; 1 for a single label
  std::string raw;           // generate mode: what the model wrote
  int prompt_tokens = 0;     // of the whole prompt
  int cached_tokens = 0;     // of these, known before
  int truncated_tokens = 0;  // of the text, left out because it did not fit
  bool cached = false;       // the whole answer came from the result cache
  double seconds = 0;        // for this text alone: in a batch, its share by computed tokens
  double queue_seconds = 0;  // of these, waiting for a place in the engine
};

struct ClassifierOptions {             // what a classifier keeps and computes at once
  int context = 0;                     // tokens, as SessionOptions
  KvType kv_type = KvType::automatic;  // as SessionOptions
  int batch_tokens = 512;              // new tokens of a batch that are computed in one pass
  std::shared_ptr<PrefixCache>
      prefixes{};  // shared with others of the same model, context and KV type; null: one of its own
  std::shared_ptr<ResultCache<Classification>> results{};  // null: none
  // Computes the prompts, in interactive requests: then calls of many threads go at the same time, beside
  // chats. It must be of the same model; context, KV type, batches and prefixes are its own. null: the
  // classifier computes in the calling thread.
  std::shared_ptr<Engine> engine{};
  // Whether the engine keeps the KV of the task's fixed prompt for good (Engine::pin); else as long as there
  // is room, which is right for tasks that come and go.
  bool pin = true;
};

// A task of kind classify on a model. The label sequence of a label is its tokens as the model would write
// them after the prompt; the end-of-turn token belongs to it only where the label is the beginning of another
// label ("good", "good value"), since they could not be told apart without. The score of a label is the sum
// of the log-probabilities of its sequence's tokens, and the probabilities are their softmax over the labels.
//
// Safe from many threads; without an engine calls take turns. The bits of a result do not depend on batches,
// caches, the engine or earlier calls.
class QWEN_API Classifier {
 public:
  // Computes the task's fixed prompt, and what its content-free texts score. Error(invalid_argument) for a
  // task of another kind or one that breaks the rules of its file format, for labels that are the same
  // tokens, for options out of range, or for an engine of another model; Error(unsupported) where the model
  // has no chat template.
  Classifier(Model model, Task task, const ClassifierOptions& options = {});
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;
  ~Classifier();

  const Task& task() const noexcept;
  const Model& model() const noexcept;
  const std::shared_ptr<Engine>& engine() const noexcept;  // ClassifierOptions::engine
  // Whether the task has a calibration and it belongs to this model and prompt. One that does not is not
  // used.
  bool calibrated() const noexcept;

  // Error(context_full) where the text does not fit and the task refuses that; Error(cancelled) where
  // `cancel` was raised before it was done (without an engine: before it began); Error(busy) where the
  // engine's queue is full.
  Classification classify(std::string_view text, ClassifyMode mode = ClassifyMode::score,
                          const CancelToken& cancel = {});
  // Many texts, computed together. Results in order; on_result, where given, gets each of them in order as
  // soon as it is known, in the calling thread, and ends the work by returning false (the rest of the results
  // is missing then). Errors as classify(); one text's error ends the call. Where the engine's queue is full,
  // it waits for answers of its own.
  std::vector<Classification> classify_batch(
      std::span<const std::string> texts, ClassifyMode mode = ClassifyMode::score,
      const std::function<bool(std::size_t index, const Classification& result)>& on_result = {});

  // The prompt for a text as it will be computed, cut where the task allows that. Error(context_full) as
  // classify(). For those who run sessions of their own.
  struct Prompt {
    std::vector<Token> tokens;  // all of the prompt
    int truncated_tokens = 0;   // of the text, left out because it did not fit
  };
  Prompt prompt(std::string_view text) const;  // that of this text
  // The label sequences that are scored, [labels].
  const std::vector<std::vector<Token>>& label_tokens() const noexcept;

 private:
  friend Analysis analyze(Classifier&, Chat&, std::string_view,
                          const std::function<bool(const Classification&)>&,
                          const std::function<bool(std::string_view)>&, const SayOptions&);
  // classify(), with another session's tokens in the same pass where that is faster: then `joined` is set.
  Classification classify_beside(std::string_view text, const Session::BatchItem& other, bool& joined);
  struct State;
  std::unique_ptr<State> state_;
};

// Fits a calibration to scored texts with known labels, by Newton's method on the (convex) log loss; a weak
// pull to temperature 1 keeps it finite. With `offsets`, one offset a label too. Error(invalid_argument) for
// fewer than 2 texts, or for labels out of range.
QWEN_API Calibration fit_calibration(std::span<const Classification> results, std::span<const int> labels,
                                     bool offsets);
// The calibrated probabilities of `scores`.
QWEN_API std::vector<double> apply_calibration(std::span<const double> scores,
                                               const Calibration& calibration);

}  // namespace qwen
