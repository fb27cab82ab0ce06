#include "qwen/generate.h"

#include "base/fail.h"
#include "runtime/generation.h"

namespace qwen {
namespace {

// Lets the cancel token stop a long prefill too. What the session called before is called still, and stands
// again afterwards.
class CancelDuringPrefill {
 public:
  CancelDuringPrefill(Session& session, const CancelToken& cancel) : session_(session) {
    previous_ = session_.set_prefill_callback({});
    session_.set_prefill_callback([cancel, previous = previous_](int done, int total) {
      return !cancel.cancelled() && (!previous || previous(done, total));
    });
  }
  ~CancelDuringPrefill() { session_.set_prefill_callback(std::move(previous_)); }
  CancelDuringPrefill(const CancelDuringPrefill&) = delete;
  CancelDuringPrefill& operator=(const CancelDuringPrefill&) = delete;

 private:
  Session& session_;
  std::function<bool(int, int)> previous_;
};

// False where it was cancelled.
bool prefill(Session& session, std::span<const Token> prompt, const GenerateOptions& options,
             runtime::Generation& generation, std::span<const float>& logits) {
  const int before = session.position();
  bool done = true;
  try {
    const CancelDuringPrefill guard(session, options.cancel);
    logits = prompt.empty() ? session.logits() : session.forward(prompt);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled) throw;
    done = false;
  }
  generation.start_decoding(session.tokens(), session.position() - before);
  return done;
}

}  // namespace

const char* to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::end_of_turn: return "stop";
    case FinishReason::stop_string: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::context_full: return "context_full";
    case FinishReason::cancelled: return "cancelled";
  }
  return "cancelled";
}

GenerateResult generate(Session& session, std::span<const Token> prompt, const GenerateOptions& options,
                        const std::function<bool(std::string_view text)>& on_text) {
  if (prompt.empty() && session.position() == 0)
    fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least 1 token");
  runtime::Generation generation(session.model(), options, on_text);
  std::span<const float> logits;
  if (!prefill(session, prompt, options, generation, logits)) generation.end(FinishReason::cancelled);
  while (generation.should_continue(logits.empty() && session.position() >= session.context())) {
    if (logits.empty()) {  // the last token is not in the cache yet
      const Token last = generation.last();
      const auto need = generation.required_logits();
      logits = need ? session.forward_top_k({&last, 1}, need->count, need->must_include)
                    : session.forward({&last, 1});
    }
    generation.sample(logits);
    logits = {};
    generation.append();
  }
  return generation.take_result();
}

}  // namespace qwen
