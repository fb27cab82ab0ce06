// POST /chat: a message in, the reply out as plain text while it is written.
#include "qwen-serve/chat_request.h"
#include "qwen-serve/endpoints.h"

namespace qwen_serve {
namespace {

struct PlainChatRun {
  PlainChatRun(Service& service, RequestContext& context, ChatRequest given)
      : service(service),
        context(context),
        request(std::move(given)),
        served(service.use_model(context, request.model)),
        admitted(std::in_place, service, context) {
    if (!request.turns) lock.emplace(service.sessions, request.session);
  }

  Service& service;
  RequestContext& context;
  ChatRequest request;
  ServedModelPtr served;
  std::optional<SessionStore::SessionLock> lock;  // none: the client keeps the conversation
  std::optional<AdmittedRequest> admitted;
  std::optional<qwen::Chat> chat;
};

void stream_text(PlainChatRun& run, StreamWriter& out) {
  try {
    const auto reply = run.chat->say(
        run.request.prompt, [&](std::string_view text) { return out.text(text); },
        say_options(*run.admitted, run.request.fields));
    note(run.service, run.context.log, reply);
    if (run.lock && run.request.history != false && !reply.text.empty()) {
      std::vector<Turn> turns = run.lock->turns();
      turns.push_back({run.request.prompt, reply.text, {}});
      run.lock->set_turns(std::move(turns));
    }
    run.admitted->check();
    // Who has read the end may go on with the session at once.
    run.admitted.reset();
    run.lock.reset();
    if (!out.alive()) run.context.log.error = "client_gone";
  } catch (...) {
    run.context.log.error = current_api_error().code;
    out.abort();  // plain text has no words for it: the body does not end as it should
  }
}

}  // namespace

void chat_text(Service& service, RequestContext& context) {
  auto run = std::make_shared<PlainChatRun>(service, context,
                                            read_plain_chat_request(parse_body(context.request.body)));
  context.log.task = service.options.chat_task;
  qwen::ChatOptions options;
  options.history = run->request.history;
  run->chat.emplace(make_chat(service, *run->served, service.options.chat_task, run->request.fields, options,
                              run->request.turns ? *run->request.turns : chat_turns(run->lock->turns())));
  run->served->check_prompt(run->chat->prompt(run->request.prompt).tokens.size(), "prompt");
  if (run->lock) context.response.set_header("X-Session-Id", run->lock->id());
  context.stream("text/plain; charset=utf-8", [run](StreamWriter& out) { stream_text(*run, out); });
}

}  // namespace qwen_serve
