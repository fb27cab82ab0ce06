// POST /chat: a message in, the reply out as plain text while it is written.
#include "qwen-serve/conversation.h"
#include "qwen-serve/endpoints.h"

namespace qwen_serve {
namespace {

struct Run {
  Run(Service& service, Exchange& exchange, ChatRequest given)
      : service(service),
        exchange(exchange),
        request(std::move(given)),
        work(std::in_place, service, exchange) {
    if (!request.turns) lease.emplace(service.sessions, request.session);
  }

  Service& service;
  Exchange& exchange;
  ChatRequest request;
  std::optional<SessionStore::Lease> lease;  // none: the client keeps the conversation
  std::optional<Work> work;
  std::optional<qwen::Chat> chat;
};

void stream_text(Run& run, StreamWriter& out) {
  try {
    const auto reply = run.chat->say(
        run.request.prompt, [&](std::string_view text) { return out.text(text); },
        say_options(*run.work, run.request.fields));
    note(run.service, run.exchange.record, reply);
    if (run.lease && run.request.history != false && !reply.text.empty()) {
      std::vector<Turn> turns = run.lease->turns();
      turns.push_back({run.request.prompt, reply.text, {}});
      run.lease->set_turns(std::move(turns));
    }
    run.work->check();
    // Who has read the end may go on with the session at once.
    run.work.reset();
    run.lease.reset();
    if (!out.alive()) run.exchange.record.error = "client_gone";
  } catch (...) {
    run.exchange.record.error = current_api_error().code;
    out.abort();  // plain text has no words for it: the body does not end as it should
  }
}

}  // namespace

void plain_chat(Service& service, Exchange& exchange) {
  auto run = std::make_shared<Run>(service, exchange, read_plain_chat_request(parse_body(exchange.body)));
  exchange.record.task = service.options.chat_task;
  run->chat.emplace(make_chat(service, service.options.chat_task, run->request.fields, run->request.history,
                              run->request.turns ? *run->request.turns : chat_turns(run->lease->turns())));
  service.check_prompt(run->chat->prompt(run->request.prompt).tokens.size(), "prompt");
  if (run->lease) exchange.response->set_header("X-Session-Id", run->lease->id());
  stream(exchange, "text/plain; charset=utf-8", [run](StreamWriter& out) { stream_text(*run, out); });
}

void session(Service& service, Exchange& exchange) {
  const std::string& tail = exchange.tail;
  const std::size_t slash = tail.find('/');
  const std::string id = tail.substr(0, slash);
  if (slash == std::string::npos) return exchange.json(service.sessions.show(id));
  if (tail.substr(slash) != "/export")
    throw ApiError(404, "not_found", "there is nothing at " + exchange.path);
  const std::string format =
      exchange.request->has_param("format") ? exchange.request->get_param_value("format") : "json";
  if (format == "json") {
    exchange.json(service.sessions.show(id));
  } else if (format == "markdown") {
    exchange.response->status = 200;
    exchange.response->set_content(service.sessions.markdown(id), "text/markdown; charset=utf-8");
  } else {
    throw bad_field("format", "format: expected json or markdown, found " + describe(format));
  }
  exchange.response->set_header(
      "Content-Disposition",
      "attachment; filename=\"conversation." + std::string(format == "json" ? "json" : "md") + "\"");
}

void delete_session(Service& service, Exchange& exchange) {
  service.sessions.erase(exchange.tail);
  exchange.response->status = 204;
}

}  // namespace qwen_serve
