// Classifications and replies as the endpoints answer them.
#pragma once
#include "qwen-serve/openai_response.h"
#include "qwen-serve/request_context.h"
#include "qwen/chat.h"

namespace qwen_serve {

// {"label", "display", "emoji", "probability", "probabilities", "abstained", ...}. "label" is the best one,
// also where the classifier abstained.
Json label_json(const qwen::Task& task, const qwen::Classification& found);
void add(Usage& usage, const qwen::Classification& found);
void add(Usage& usage, const qwen::ChatReply& reply);
Timings timings_of(const qwen::ChatReply& reply);

}  // namespace qwen_serve
