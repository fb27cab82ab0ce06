#include "qwen/generate.h"

#include "base/fail.h"
#include "runtime/engine_core.h"

namespace qwen {

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

// One request of an inline engine, in the session's own sequence.
GenerateResult generate(Session& session, std::span<const Token> prompt, const GenerateOptions& options,
                        const TextCallback& on_text) {
  runtime::SessionState& s = runtime::Access::state(session);
  runtime::Sequence& sequence = s.sequence;
  if (prompt.empty() && sequence.tokens.empty())
    fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least 1 token");
  if (prompt.empty() && sequence.hidden.empty())
    fail(ErrorCode::invalid_argument, "generate: no token was computed since the session was rewound");
  check_ids(s.m(), prompt, "prompt");
  if (prompt.size() > static_cast<std::size_t>(sequence.room()))
    fail(ErrorCode::context_full, "context full: ", sequence.position(), " of ", sequence.context,
         " tokens used, ", prompt.size(), " more requested");
  EngineRequest request;
  request.prompt = sequence.tokens;
  request.prompt.insert(request.prompt.end(), prompt.begin(), prompt.end());
  request.generate = options;
  request.on_text = on_text;
  runtime::EngineCore engine(s);
  const auto state = std::make_shared<runtime::RequestState>(s.model, std::move(request), sequence.context);
  // The callback sees the new part of the prompt.
  const int before = sequence.position(), total = static_cast<int>(prompt.size());
  if (s.on_prefill) state->on_prefill = [&](int done, int) { return s.on_prefill(done - before, total); };
  engine.submit_on(sequence, state);
  engine.wait_for_end(*state);
  return state->result().generation;
}

}  // namespace qwen
