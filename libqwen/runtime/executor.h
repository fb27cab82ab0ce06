// One step of computation for any number of sequences: the only place that checks the model file, prepares KV caches,
// runs the forward pass, records tokens and states, and chooses how the output head is read.
#pragma once
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "qwen/sampler.h"
#include "runtime/state.h"

namespace qwen::runtime {

// One sequence's part of a step.
struct StepItem {
  Sequence* sequence = nullptr;  // at most once in a step
  std::span<const Token>
      tokens{};    // to append; checked ids that fit. Empty: only logits, from the sequence's state
  int rows = 1;    // the final states of this many of its last tokens are computed; 0: none
  int logits = 0;  // the logits of this many of these rows, the last ones
  // If set and no other logits are computed in the step, only these are exact; the others may be minus infinity.
  std::optional<Sampler::LogitsRequest> request{};
  std::span<const Token> only{};  // instead of `request`: the logits of these tokens

  // Results.
  float* first_row = nullptr;  // logits [logits][Executor::stride()], valid until the next step
  bool partial = false;        // only the logits of `request` or `only` are exact
  std::exception_ptr error{};  // no memory for this sequence's KV: it was left out
};

// The buffers of one thread's steps. Results do not depend on the composition of a step.
class Executor {
 public:
  explicit Executor(const ModelState& model);

  // Allocates for steps of up to `rows` tokens, `outputs` of them with a state, over `context` tokens, and for
  // `logits` rows of logits. Steps beyond that allocate.
  void reserve(int rows, int outputs, int context, int logits);

  // What happens if one sequence's KV cannot be allocated: nothing is computed and the error is thrown, or the
  // sequence is left out with StepItem::error.
  enum class OnItemError { throw_error, leave_out };
  // Throws Error(io) if the model file has changed; Error(unsupported) in a forked process. Then nothing has changed.
  void step(std::span<StepItem> items, OnItemError on_error = OnItemError::throw_error);
  // The two parts of step(), for callers that read states() before the logits are computed.
  void forward(std::span<StepItem> items, OnItemError on_error);
  void compute_logits(std::span<StepItem> items);

  // The final states of the last step, [rows of all items][hidden].
  const float* states() const noexcept { return workspace_.hidden; }
  // Logits of `count` states [count][hidden]: [count][stride()], valid until the next call.
  float* logits(const float* states, int count);
  // The logits of many states [count][hidden], some states at a time, which share one reading of the head:
  // on_rows(first, rows, logits [rows][stride()]).
  void logits_of_each(const float* states, int count,
                      const std::function<void(int first, int rows, float* logits)>& on_rows);
  // out[i] is the logit of ids[i] for one state [hidden].
  void logits_for(const float* state, std::span<const Token> ids, float* out);

  std::size_t stride() const noexcept { return stride_; }  // floats from one row of logits to the next
  std::size_t bytes() const noexcept { return workspace_.bytes() + logits_.size(); }
  std::uint64_t rows_computed() const noexcept { return rows_computed_; }  // tokens of the last step

 private:
  void run_forward(std::span<StepItem> items);
  float* logits_buffer(int rows);

  const ModelState& model_;
  const std::size_t stride_;
  model::Workspace workspace_;
  std::vector<model::SequenceInput> inputs_;
  std::vector<float> states_;  // [rows][hidden] of the rows whose logits are wanted
  std::vector<float> only_;    // logits of StepItem::only
  AlignedBuffer logits_;       // [rows][stride]
  std::uint64_t rows_computed_ = 0;
};

}  // namespace qwen::runtime
