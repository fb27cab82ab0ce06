// What /api/analyze and /chat share: a chat made for one request, and what a reply leaves behind.
#pragma once
#include "qwen-serve/service.h"
#include "qwen-serve/task_requests.h"

namespace qwen_serve {

// A chat over the engine that knows these turns. Of the options, history, system and thinking are the caller's.
// Throws ApiError 404 for an unknown task, 400 for a classifier or for thinking with a model that cannot.
qwen::Chat make_chat(const Service& service, const ServedModel& served, const std::string& task,
                     const ReplyFields& fields, qwen::ChatOptions options, std::vector<qwen::ChatTurn> turns);
std::vector<qwen::ChatTurn> chat_turns(const std::vector<Turn>& turns);
qwen::SayOptions say_options(const AdmittedRequest& work, const ReplyFields& fields);
// What a reply adds to the record and the metrics.
void note(Service& service, RequestLog& log, const qwen::ChatReply& reply);

}  // namespace qwen_serve
