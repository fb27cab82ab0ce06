#include "qwen/generate.h"

#include <chrono>

#include "base/fail.h"
#include "run/text_output.h"

namespace qwen {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

// Lets the cancel token stop a long prefill too. What the session called before is called still, and stands
// again afterwards.
class CancelDuringPrefill {
 public:
  CancelDuringPrefill(Session& session, const CancelToken& cancel) : session_(session) {
    previous_ = session_.on_batch({});
    session_.on_batch([cancel, previous = previous_](int done, int total) {
      return !cancel.cancelled() && (!previous || previous(done, total));
    });
  }
  ~CancelDuringPrefill() { session_.on_batch(std::move(previous_)); }
  CancelDuringPrefill(const CancelDuringPrefill&) = delete;
  CancelDuringPrefill& operator=(const CancelDuringPrefill&) = delete;

 private:
  Session& session_;
  std::function<bool(int, int)> previous_;
};

// One call of generate().
class Run {
 public:
  Run(Session& session, const GenerateOptions& options, const std::function<bool(std::string_view)>& on_text)
      : session_(session),
        options_(options),
        on_text_(on_text),
        sampler_(options.sampling),
        output_(session.model().tokenizer(), options.stop) {}

  GenerateResult operator()(std::span<const Token> prompt) {
    std::span<const float> logits;
    if (prefill(prompt, logits)) {
      sampler_.accept_prompt(session_.tokens());
      result_.finish = decode(logits);
    } else {
      result_.finish = FinishReason::cancelled;
    }
    if (!result_.token_seconds.empty()) {
      result_.first_token_seconds = result_.token_seconds.front();
      result_.decode_seconds = result_.token_seconds.back() - result_.token_seconds.front();
    }
    return std::move(result_);
  }

 private:
  // False where it was cancelled.
  bool prefill(std::span<const Token> prompt, std::span<const float>& logits) {
    const int before = session_.position();
    bool done = true;
    try {
      const CancelDuringPrefill guard(session_, options_.cancel);
      logits = of_tokens(prompt.empty() ? session_.logits() : session_.forward(prompt));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::cancelled) throw;
      done = false;
    }
    result_.prompt_tokens = session_.position() - before;
    result_.prefill_seconds = watch_.seconds();
    return done;
  }

  FinishReason decode(std::span<const float> logits) {
    for (;;) {
      if (options_.cancel.cancelled()) return finish_text(FinishReason::cancelled);
      if (static_cast<int>(result_.tokens.size()) >= options_.max_new_tokens)
        return finish_text(FinishReason::length);
      if (logits.empty()) {  // the last token is not in the cache yet
        if (session_.position() >= session_.context()) return finish_text(FinishReason::context_full);
        logits = next_logits();
      }
      const Token token = sampler_.sample(logits);
      if (options_.stop_at_end_of_turn && session_.model().is_end_of_turn(token)) {
        if (result_.tokens.empty()) result_.first_token_seconds = watch_.seconds();
        return finish_text(FinishReason::end_of_turn);
      }
      record(token, logits);
      logits = {};
      const bool wanted = emit(output_.push(token));
      if (output_.stopped()) return FinishReason::stop_string;
      if (!wanted) return FinishReason::cancelled;
    }
  }

  // Without the rows of padding that may follow the tokens: they are never chosen.
  std::span<const float> of_tokens(std::span<const float> logits) const {
    return logits.first(static_cast<std::size_t>(session_.model().tokenizer().size()));
  }

  // Of the last token: all of them only where the sampler, or the caller's log-probabilities, ask for all.
  std::span<const float> next_logits() {
    const std::span<const Token> last{&result_.tokens.back(), 1};
    const auto need = options_.logprobs < 0 ? sampler_.need() : std::nullopt;
    return of_tokens(need ? session_.forward_top(last, need->count, need->also) : session_.forward(last));
  }

  void record(Token token, std::span<const float> logits) {
    result_.tokens.push_back(token);
    result_.token_seconds.push_back(watch_.seconds());
    if (options_.logprobs < 0) return;
    result_.logprobs.push_back({token, Sampler::logprob(logits, token)});
    result_.alternatives.push_back(Sampler::top_logprobs(logits, options_.logprobs));
  }

  // False where the caller wants no more.
  bool emit(const std::string& text) {
    if (text.empty()) return true;
    result_.text += text;
    return !on_text_ || on_text_(text);
  }

  FinishReason finish_text(FinishReason reason) {
    emit(output_.finish());
    return reason;
  }

  const Stopwatch watch_;
  Session& session_;
  const GenerateOptions& options_;
  const std::function<bool(std::string_view)>& on_text_;
  Sampler sampler_;
  run::TextOutput output_;
  GenerateResult result_;
};

}  // namespace

const char* to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::end_of_turn:
      return "stop";
    case FinishReason::stop_string:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::context_full:
      return "context_full";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "cancelled";
}

GenerateResult generate(Session& session, std::span<const Token> prompt, const GenerateOptions& options,
                        const std::function<bool(std::string_view text)>& on_text) {
  if (prompt.empty() && session.position() == 0)
    fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least 1 token");
  if (options.max_new_tokens < 0)
    fail(ErrorCode::invalid_argument, "max_new_tokens: expected 0 or more, found ", options.max_new_tokens);
  return Run(session, options, on_text)(prompt);
}

}  // namespace qwen
