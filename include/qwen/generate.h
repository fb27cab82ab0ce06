// Text generation: prefill, sample, stop.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/export.h"
#include "qwen/sampler.h"
#include "qwen/session.h"

namespace qwen {

// A flag that any thread may raise; generation ends before its next token. Copies share the flag.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() const noexcept { flag_->store(true, std::memory_order_relaxed); }     // raises it
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }  // whether it is up

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

struct GenerateOptions {       // how to go on with a text, and when to end
  int max_new_tokens = 512;    // 0 or more
  SamplingOptions sampling{};  // how each token is chosen
  std::vector<std::string>
      stop{};  // stop strings: held back while they may still match, never part of the text
  bool stop_at_end_of_turn = true;  // <|im_end|>, <|endoftext|> and the model's own end tokens
  int logprobs = -1;     // >= 0: record log-probabilities, and this many alternatives, of each token
  CancelToken cancel{};  // ends it from outside
};

enum class FinishReason { end_of_turn, stop_string, length, context_full, cancelled };  // why a text ended
QWEN_API const char* to_string(
    FinishReason reason) noexcept;  // "stop" for the first two, "length", "context_full", "cancelled"

struct GenerateResult {                                     // a text and what it took, in seconds
  std::string text;                                         // all that on_text got
  std::vector<Token> tokens;                                // generated tokens, the end token left out
  FinishReason finish = FinishReason::length;               // why it ended
  std::vector<TokenProbability> logprobs;                   // one a token, where asked for
  std::vector<std::vector<TokenProbability>> alternatives;  // [token][GenerateOptions::logprobs]
  int prompt_tokens = 0;                                    // computed in this call
  double prefill_seconds = 0;                               // of the prompt
  double first_token_seconds = 0;                           // TTFT: from the call to the first token
  double decode_seconds = 0;                                // from the first token to the last
  std::vector<double> token_seconds;                        // time of each token since the call began
};

// Feeds `prompt` to the session (after what it already holds) and generates. on_text gets whole UTF-8
// characters as they are final, in the calling thread; returning false ends generation (cancelled). The
// session ends up holding the prompt and the generated tokens that were fed back. An empty prompt goes on
// after the session's last token, whose state must be known (Session::logits). Error(invalid_argument) where
// it is not, for an id out of range or bad options; Error(context_full) where the prompt alone does not fit:
// running out of context later is FinishReason::context_full. What on_text throws goes through; the session
// then holds what was computed.
QWEN_API GenerateResult generate(Session& session, std::span<const Token> prompt,
                                 const GenerateOptions& options,
                                 const std::function<bool(std::string_view text)>& on_text = {});

}  // namespace qwen
