// /v1/chat/completions and /v1/completions.
#include "qwen-serve/completion_run.h"
#include "qwen-serve/endpoints.h"

namespace qwen_serve {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kKeepAlive{10000};  // between comments to a client that waits for a token
constexpr milliseconds kPollJob{5};        // for each of several jobs that stream at once

// A CompletionRun with OpenAI's response bodies.
struct OpenAiRun : CompletionRun {
  OpenAiRun(Service& owner, RequestContext& request_context, const CompletionRequest& request)
      : CompletionRun(owner, request_context, request),
        bodies(request.chat, served->id, served->model.fingerprint(), served->model.tokenizer(),
               request.logprobs >= 0, request.include_usage),
        include_usage(request.include_usage) {
    if (request.echo)
      for (const auto& prompt : prompts) echoes.push_back(served->model.tokenizer().decode(prompt, true));
  }

  // The text of the choice's prompt before its reply, if the request has "echo".
  void add_echo(std::size_t index, Delta& delta) const {
    if (!echoes.empty()) delta.text.insert(0, echoes[index / choices_per_prompt]);
  }

  CompletionBodies bodies;
  std::vector<std::string> echoes;  // [prompts], if the request has "echo"
  std::string cache_key;            // "": not cached
  bool include_usage;
};

template <class T>
void append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& key, const std::string& text) {
  append(key, text.size());
  key += text;
}

// Everything that the reply depends on; "" if it is random.
std::string key_of(const ServedModel& served, const CompletionRequest& request,
                   const qwen::GenerateOptions& options,
                   const std::vector<std::vector<qwen::Token>>& prompts) {
  const qwen::SamplingOptions& s = *options.sampling;
  if (s.temperature > 0 && !request.reply.seed) return {};
  std::string key;
  append(key, served.model.fingerprint());
  append_text(key, request.format.key());
  append(key, options.thought);
  append(key, options.thought_tokens);
  append(key, options.min_new_tokens);
  append(key, options.stop_tokens.size());
  for (const qwen::Token token : options.stop_tokens) append(key, token);
  append(key, request.n);
  append(key, options.max_new_tokens);
  append(key, options.logprobs);
  append(key, options.prompt_logprobs);
  append(key, options.stop_at_end_of_turn);
  for (const float value :
       {s.temperature, s.top_p, s.min_p, s.repetition_penalty, s.presence_penalty, s.frequency_penalty})
    append(key, value);
  append(key, s.top_k);
  append(key, s.penalty_last_n);
  append(key, s.temperature > 0 ? *s.seed : 0);
  append(key, s.logit_bias.size());
  for (const auto& [token, bias] : s.logit_bias) {
    append(key, token);
    append(key, bias);
  }
  append(key, options.stop.size());
  for (const std::string& stop : options.stop) append_text(key, stop);
  for (const auto& prompt : prompts) {
    append(key, prompt.size());
    for (const qwen::Token token : prompt) append(key, token);
  }
  return key;
}

std::size_t bytes_of(const Answer& answer) {
  std::size_t bytes = sizeof answer;
  for (const Choice& choice : answer.choices) {
    const Delta& delta = choice.delta;
    bytes += sizeof choice + delta.text.size() + delta.reasoning.size();
    for (const auto& piece : delta.calls) bytes += sizeof piece + piece.name.size() + piece.arguments.size();
    bytes += delta.logprobs.size() * sizeof(qwen::TokenProbability);
    for (const auto& list : delta.alternatives)
      bytes += sizeof(std::vector<qwen::TokenProbability>) + list.size() * sizeof(qwen::TokenProbability);
  }
  return bytes;
}

void cache_answer(OpenAiRun& run) {
  if (run.cache_key.empty() || !run.admitted) return;
  auto answer = std::make_shared<const Answer>(run.answer);
  run.service.answers.insert(run.cache_key, answer, bytes_of(*answer));
}

void send_delta(OpenAiRun& run, StreamWriter& out, std::size_t index, const Delta& delta,
                std::size_t& characters) {
  if (delta.text.empty() && delta.reasoning.empty() && delta.calls.empty() && delta.logprobs.empty()) return;
  send_event(out, "", run.bodies.delta_chunk(static_cast<int>(index), delta, characters));
  characters += count_characters(delta.text);
}

void send_finish(OpenAiRun& run, StreamWriter& out, std::size_t index) {
  send_event(out, "", run.bodies.finish_chunk(static_cast<int>(index), run.answer.choices[index]));
}

// Sends each job's text as it arrives.
void send_jobs(OpenAiRun& run, StreamWriter& out) {
  const std::size_t count = run.answer.choices.size();
  std::vector<std::size_t> characters(count);
  std::vector<bool> begun(count), done(count);
  std::vector<ReplySplitter> splitters(count, run.splitter());
  auto last_sent = std::chrono::steady_clock::now();
  const auto send = [&](std::size_t i, Delta delta) {
    if (!begun[i]) run.add_echo(i, delta);
    begun[i] = true;
    send_delta(run, out, i, delta, characters[i]);
  };
  for (std::size_t left = count; left > 0 && out.alive();) {
    for (std::size_t i = 0; i < run.jobs.size(); ++i) {
      if (done[i]) continue;
      if (auto chunk = run.jobs[i].next(left > 1 ? kPollJob : kKeepAlive)) {
        Delta delta = splitters[i].push(chunk->text);
        delta.add_logprobs(chunk->prompt_logprobs, chunk->prompt_alternatives);
        delta.add_logprobs(chunk->logprobs, chunk->alternatives);
        send(i, std::move(delta));
        last_sent = std::chrono::steady_clock::now();
      } else if (run.jobs[i].done()) {
        send(i, splitters[i].finish());
        run.collect(i);
        send_finish(run, out, i);
        done[i] = true;
        --left;
      }
    }
    if (std::chrono::steady_clock::now() - last_sent >= kKeepAlive) {
      send_comment(out, "waiting");
      last_sent = std::chrono::steady_clock::now();
    }
  }
}

void send_known(OpenAiRun& run, StreamWriter& out) {
  for (std::size_t i = 0; i < run.answer.choices.size(); ++i) {
    std::size_t characters = 0;
    Delta delta = run.answer.choices[i].delta;
    run.add_echo(i, delta);
    send_delta(run, out, i, delta, characters);
    send_finish(run, out, i);
  }
}

void stream_answer(OpenAiRun& run, bool chat, StreamWriter& out) {
  try {
    if (chat)
      for (std::size_t i = 0; i < run.answer.choices.size(); ++i)
        send_event(out, "", run.bodies.role_chunk(static_cast<int>(i)));
    if (run.admitted)
      send_jobs(run, out);
    else
      send_known(run, out);
    if (!out.alive()) {
      run.context.log.error = "client_gone";
      return;
    }
    cache_answer(run);
    run.admitted.reset();
    if (run.include_usage) send_event(out, "", run.bodies.usage_chunk(run.answer.usage, run.timings));
    out.text("data: [DONE]\n\n");
  } catch (...) {
    const ApiError error = current_api_error();
    run.context.log.error = error.code;
    send_event(out, "", error.body());
  }
}

void complete(Service& service, RequestContext& context, const CompletionRequest& request) {
  context.log.task = request.chat ? "chat" : "completion";
  context.log.user = request.user;
  auto run = std::make_shared<OpenAiRun>(service, context, request);
  run->cache_key =
      service.options.cache_entries > 0 ? key_of(*run->served, request, run->options, run->prompts) : "";
  if (!run->cache_key.empty()) {
    const auto known = service.answers.find(run->cache_key);
    context.response.set_header("X-Cache", known ? "hit" : "miss");
    if (known) {
      run->answer = **known;
      context.log.admitted = context.log.cache_hit = true;
      context.log.prompt_tokens = run->answer.usage.prompt_tokens;
      context.log.generated_tokens = run->answer.usage.generated_tokens;
      run->answer.usage.cached_tokens = run->answer.usage.prompt_tokens;
      context.log.cached_tokens = run->answer.usage.prompt_tokens;
    }
  }
  if (!context.log.cache_hit) run->submit();
  if (request.stream) {
    context.stream("text/event-stream; charset=utf-8",
                   [run, chat = request.chat](StreamWriter& out) { stream_answer(*run, chat, out); });
    return;
  }
  for (std::size_t i = 0; i < run->jobs.size(); ++i) run->collect(i);  // grows while it goes on
  cache_answer(*run);
  for (std::size_t i = 0; i < run->answer.choices.size(); ++i) run->add_echo(i, run->answer.choices[i].delta);
  context.json(run->bodies.whole(run->answer, run->timings));
}

}  // namespace

void chat_completions(Service& service, RequestContext& context) {
  complete(service, context,
           read_chat_request(parse_body(context.request.body), RawJson(context.request.body)));
}

void completions(Service& service, RequestContext& context) {
  complete(service, context,
           read_completion_request(parse_body(context.request.body), RawJson(context.request.body)));
}

}  // namespace qwen_serve
