// Text generation: prefill, sample, stop.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qwen/callback.h"
#include "qwen/constraint.h"
#include "qwen/export.h"
#include "qwen/sampler.h"
#include "qwen/session.h"
#include "qwen/thinking.h"

namespace qwen {

// A flag that any thread may set; generation ends before its next token. Copies share the flag.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  // Sets the flag; nothing clears it.
  void cancel() const noexcept { flag_->store(true, std::memory_order_relaxed); }
  // Whether the flag is set.
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

// Changes the logits [Tokenizer::size()] before a token is sampled. `generated` are the tokens of the answer so far.
// It runs on a thread of the model's pool and must not use the model. Log-probabilities are those of the model,
// without these changes.
using LogitsProcessor = std::function<void(std::span<const Token> generated, std::span<float> logits)>;

// How long a reply becomes, how its tokens are chosen, and what ends it.
struct GenerateOptions {
  int max_new_tokens = 512;                   // 0 or more
  int min_new_tokens = 0;                     // before that no end token is chosen; not with a constraint
  std::optional<SamplingOptions> sampling{};  // none: the model's own defaults, ModelInfo::sampling
  std::vector<std::string> stop{};            // texts that end generation; they never appear in the result
  bool stop_at_end_of_turn = true;            // at <|im_end|>, <|endoftext|> and the model's own end tokens
  std::vector<Token> stop_tokens{};           // further end tokens
  // What the text must be; the thought before it is free. The text is complete within max_new_tokens and the context,
  // and generation ends with it. Only a stop text and a cancellation end it before.
  std::optional<Constraint> constraint{};
  Thought thought =
      Thought::none;  // RenderedPrompt::thought. With a constraint, may_begin does begin a thought
  // Tokens of the thought at most; then generation ends the thought and goes on to the text. -1: no limit.
  int thought_tokens = -1;
  int logprobs = -1;  // >= 0: record the log-probability of each token, and of this many alternatives
  // >= 0: record the log-probability of each prompt token, and of this many alternatives. The whole prompt is computed
  // then, without cached prefixes.
  int prompt_logprobs = -1;
  LogitsProcessor logits_processor{};  // may be empty
  CancelToken cancel{};                // ends generation before the next token
};

// Why a reply ended.
enum class FinishReason {
  end_of_turn,   // an end token came, or the constraint's text is complete
  stop_string,   // a text of GenerateOptions::stop
  length,        // max_new_tokens; a constrained text is valid, but might have gone on
  context_full,  // no room for the next token
  cancelled,     // by a CancelToken or a callback
};
// "stop" for the first two, "length", "context_full", "cancelled".
QWEN_API const char* to_string(FinishReason reason) noexcept;

// A reply, possibly ended early.
struct GenerateResult {
  std::string text;                            // everything that on_text got
  std::vector<Token> tokens;                   // generated tokens, without the end token
  FinishReason finish = FinishReason::length;  // why it ended
  std::uint64_t seed = 0;                      // of the random numbers: the one given, or the one drawn
  std::vector<TokenProbability> logprobs;      // [tokens] if requested
  std::vector<std::vector<TokenProbability>> alternatives;  // [tokens][GenerateOptions::logprobs]
  // [tokens of the prompt] if requested: each token's log-probability after the tokens before it. NaN, without
  // alternatives, for the first token if nothing is before it or the session was rewound; minus infinity for ids
  // beyond the vocabulary. Fewer if the prompt was cancelled.
  std::vector<TokenProbability> prompt_logprobs;
  // [tokens of the prompt][GenerateOptions::prompt_logprobs]
  std::vector<std::vector<TokenProbability>> prompt_alternatives;
  int prompt_tokens = 0;  // computed in this call
  // Seconds.
  double prefill_seconds = 0;
  double first_token_seconds = 0;     // TTFT: from the call to the first token
  double decode_seconds = 0;          // from the first token to the last
  std::vector<double> token_seconds;  // [tokens] from the call to each token
};

// Appends `prompt` to the session and generates. on_text gets whole UTF-8 characters as they become final, in the
// calling thread; returning false ends generation (FinishReason::cancelled). Afterwards the session holds the prompt
// and all generated tokens except the last. An empty prompt continues after the session's last token.
// If the context fills up during generation, that is FinishReason::context_full, not an error.
// Throws Error(invalid_argument) if there is no last token to continue from, an id is out of range, or an option is.
// Throws Error(invalid_argument) if no text satisfies the constraint, or none fits into max_new_tokens.
// Throws Error(unsupported) if a thought must be ended and the vocabulary has no token </think>.
// Throws Error(unsupported) for a constraint if the vocabulary has no tokens for single bytes.
// Throws Error(context_full) if the prompt does not fit.
// Throws Error(io) if the model file has changed since it was loaded.
// Throws Error(unsupported) in a process that was forked after the model was loaded.
// Exceptions of on_text pass through; the session then holds what was computed.
QWEN_API GenerateResult generate(Session& session, std::span<const Token> prompt,
                                 const GenerateOptions& options = {}, const TextCallback& on_text = {});

}  // namespace qwen
