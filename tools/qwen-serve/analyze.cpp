// /api/analyze: the label first, then the reply, in a session or after the messages that the client sends.
#include <algorithm>

#include "qwen-serve/chat_request.h"
#include "qwen-serve/endpoints.h"
#include "qwen-serve/task_json.h"

namespace qwen_serve {
namespace {

// One request, until its last event has been sent.
struct AnalyzeRun {
  AnalyzeRun(Service& service, RequestContext& context, AnalyzeRequest given)
      : service(service),
        context(context),
        request(std::move(given)),
        served(service.use_model(context, request.model)) {
    if (!request.turns) {
      lock.emplace(service.sessions, request.session);
      session = lock->id();
    }
    admitted.emplace(service, context);
  }

  Service& service;
  RequestContext& context;
  AnalyzeRequest request;
  ServedModelPtr served;
  std::optional<SessionStore::SessionLock> lock;  // none: the client keeps the history
  std::string session;
  std::optional<AdmittedRequest> admitted;
  std::vector<Turn> turns;                       // before this message
  std::shared_ptr<qwen::Classifier> classifier;  // null: no label
  std::optional<qwen::Chat> chat;                // none: no reply
  Json label;
  Usage usage;
  Timings timings;
  const char* finish = "stop";
  // Earlier turns that the reply did not use, and that it used; tokens of the message that it did not use.
  int dropped_turns = 0, kept_turns = 0, truncated_tokens = 0;
};

// What was said last, taken back, is what is said now.
void regenerate(AnalyzeRun& run) {
  if (!run.request.regenerate) return;
  const bool same =
      !run.turns.empty() && (run.request.text.empty() || run.request.text == run.turns.back().user);
  if (same) {
    run.request.text = run.turns.back().user;
    run.turns.pop_back();
  } else if (run.request.text.empty()) {
    throw bad_field("regenerate", "regenerate: nothing has been said in this session");
  }
}

void send_label(AnalyzeRun& run, StreamWriter& out, const qwen::Classification& found) {
  run.label = {{"task", run.classifier->task().name}};
  run.label.update(label_json(run.classifier->task(), found));
  run.label["ms"] = to_ms(found.seconds);
  add(run.usage, found);
  run.service.metrics.count_label(run.context.log, run.classifier->task(), found, false);
  send_event(out, "sentiment", run.label);
}

void keep_turn(AnalyzeRun& run, const qwen::ChatReply& reply) {
  // Without history the chat has no turns; with it, the reply's turn is the last.
  run.kept_turns = std::max(static_cast<int>(run.chat->turns().size()) - 1, 0);
  run.dropped_turns = run.request.history == false ? 0 : static_cast<int>(run.turns.size()) - run.kept_turns;
  run.truncated_tokens = reply.truncated_tokens;
  run.finish = finish_name(reply.finish);
  add(run.usage, reply);
  run.timings = timings_of(reply);
  note(run.service, run.context.log, reply);
  // A reply that was stopped is a part of the conversation; one that never began is not.
  if (!run.lock || run.request.history == false ||
      (reply.finish == qwen::FinishReason::cancelled && reply.text.empty()))
    return;
  const auto& kept = run.chat->turns();  // without history the chat has none
  run.turns.push_back(
      {run.request.text, kept.empty() ? run.request.partial + reply.text : kept.back().assistant, run.label});
  run.lock->set_turns(run.turns);
}

void compute(AnalyzeRun& run, StreamWriter& out) {
  qwen::SayOptions say = say_options(*run.admitted, run.request.fields);
  say.partial = run.request.partial;
  say.on_reasoning = [&](std::string_view text) { return send_event(out, "delta", {{"reasoning", text}}); };
  say.on_wait = [&](const qwen::JobProgress& progress) {
    const int place = progress.queue_position;
    return place > 0 ? send_event(out, "queued", {{"position", place}}) : send_comment(out, "waiting");
  };
  const auto on_label = [&](const qwen::Classification& found) {
    send_label(run, out, found);
    return out.alive();
  };
  const auto on_text = [&](std::string_view text) { return send_event(out, "delta", {{"text", text}}); };
  if (run.classifier && run.chat) {
    keep_turn(run, qwen::analyze(*run.classifier, *run.chat, run.request.text, on_label, on_text, say).reply);
  } else if (run.chat) {
    keep_turn(run, run.chat->say(run.request.text, on_text, say));
  } else {
    const auto found =
        run.classifier->classify(run.request.text, qwen::ClassifyMode::score, run.admitted->token());
    on_label(found);
    run.timings.queue_seconds = found.queue_seconds;
    run.timings.first_token_seconds = run.timings.total_seconds = found.seconds;
    run.context.log.queue_seconds = found.queue_seconds;
    run.context.log.first_token_seconds = found.seconds;
  }
}

void stream_events(AnalyzeRun& run, StreamWriter& out) {
  RequestLog& log = run.context.log;
  try {
    try {
      compute(run, out);
    } catch (const qwen::Error& error) {
      if (error.code() == qwen::ErrorCode::cancelled) run.admitted->check();
      throw;
    }
    run.admitted->check();
    // Who has read the last event may go on with the session at once.
    run.admitted.reset();
    run.lock.reset();
    run.timings.total_seconds = run.context.seconds();
    log.prompt_tokens = run.usage.prompt_tokens;
    log.cached_tokens = run.usage.cached_tokens;
    Json done = {{"finish_reason", run.finish},          {"usage", usage_json(run.usage)},
                 {"timings", timings_json(run.timings)}, {"dropped_turns", run.dropped_turns},
                 {"kept_turns", run.kept_turns},         {"truncated_tokens", run.truncated_tokens}};
    if (!run.session.empty()) done["session"] = run.session;
    send_event(out, "done", done);
    if (!out.alive()) log.error = "client_gone";
  } catch (...) {
    const ApiError error = current_api_error();
    log.error = error.code;
    send_event(out, "error", error.body());
  }
}

}  // namespace

void analyze(Service& service, RequestContext& context) {
  AnalyzeRequest request = read_analyze_request(parse_body(context.request.body));
  const std::string task = request.task.value_or(service.options.task);
  const std::string reply = request.reply.value_or(service.options.chat_task);
  auto run = std::make_shared<AnalyzeRun>(service, context, std::move(request));
  if (run->lock) {
    run->turns = run->lock->turns();
    regenerate(*run);
  } else {
    for (qwen::ChatTurn& turn : *run->request.turns)
      run->turns.push_back({std::move(turn.user), std::move(turn.assistant), nullptr});
  }
  if (run->request.label) {
    run->classifier = run->served->classifiers.task(task);
    run->served->check_prompt(run->classifier->prompt(run->request.text).tokens.size(), "text");
  }
  if (run->request.answer) {
    qwen::ChatOptions options;
    options.history = run->request.history;
    options.system = run->request.system;
    options.thinking = run->request.think;
    options.thought_tokens = run->request.thought_tokens;
    run->chat.emplace(
        make_chat(service, *run->served, reply, run->request.fields, options, chat_turns(run->turns)));
    qwen::SayOptions say;
    say.partial = run->request.partial;
    run->served->check_prompt(run->chat->prompt(run->request.text, say).tokens.size(), "text");
  }
  context.log.task = run->request.answer ? reply : task;
  if (run->lock) context.response.set_header("X-Session-Id", run->session);
  context.stream("text/event-stream; charset=utf-8", [run](StreamWriter& out) { stream_events(*run, out); });
}

}  // namespace qwen_serve
