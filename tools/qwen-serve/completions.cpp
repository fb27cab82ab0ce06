// /v1/chat/completions and /v1/completions.
#include "qwen-serve/endpoints.h"
#include "qwen-serve/openai_request.h"

namespace qwen_serve {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kKeepAlive{10000};  // a comment goes to a client that waits so long for a token
constexpr milliseconds kTurn{5};           // for each of several jobs whose pieces are sent as they come

// All of a request's jobs, until the last byte of its answer has been written.
struct Run {
  Run(Service& service, Exchange& exchange, CompletionBodies bodies)
      : service(service), exchange(exchange), bodies(std::move(bodies)) {}

  Service& service;
  Exchange& exchange;
  CompletionBodies bodies;
  std::unique_ptr<Work> work;          // null where the answer was known
  std::vector<qwen::EngineJob> jobs;   // [choices]
  std::vector<std::size_t> prompt_of;  // [choices]
  Answer answer;
  Timings timings;
  std::string cache_key;  // "": not to be kept
  bool include_usage = false;
};

template <class T>
void append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& key, const std::string& text) {
  append(key, text.size());
  key += text;
}

// All that the reply depends on; "" where it would be another one the next time.
std::string key_of(const CompletionRequest& request, const qwen::GenerateOptions& options,
                   const std::vector<std::vector<qwen::Token>>& prompts) {
  const qwen::SamplingOptions& s = options.sampling;
  if (s.temperature > 0 && !request.reply.seed) return {};
  std::string key;
  append(key, request.n);
  append(key, options.max_new_tokens);
  append(key, options.logprobs);
  for (const float value :
       {s.temperature, s.top_p, s.min_p, s.repetition_penalty, s.presence_penalty, s.frequency_penalty})
    append(key, value);
  append(key, s.top_k);
  append(key, s.penalty_last_n);
  append(key, s.temperature > 0 ? s.seed : 0);
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
    const Piece& piece = choice.piece;
    bytes += sizeof choice + piece.text.size() + piece.logprobs.size() * sizeof(qwen::TokenProbability);
    for (const auto& list : piece.alternatives)
      bytes += sizeof(std::vector<qwen::TokenProbability>) + list.size() * sizeof(qwen::TokenProbability);
  }
  return bytes;
}

std::vector<std::vector<qwen::Token>> prompts_of(const Service& service, const CompletionRequest& request) {
  std::vector<std::vector<qwen::Token>> prompts;
  const char* field = request.chat ? "messages" : "prompt";
  if (request.chat) {
    prompts.push_back(service.model.chat_template().render(request.messages));
  } else {
    for (const auto& prompt : request.prompts) {
      if (const auto* tokens = std::get_if<std::vector<qwen::Token>>(&prompt))
        prompts.push_back(*tokens);
      else
        prompts.push_back(service.model.tokenizer().encode_prompt(std::get<std::string>(prompt)));
    }
  }
  for (const auto& prompt : prompts) {
    if (prompt.empty()) throw bad_field(field, std::string(field) + ": an empty prompt cannot be continued");
    service.check_prompt(prompt.size(), field);
  }
  return prompts;
}

qwen::GenerateOptions generate_options(const Service& service, const CompletionRequest& request) {
  qwen::GenerateOptions options;
  options.max_new_tokens = request.reply.max_tokens.value_or(service.options.max_tokens);
  options.stop = request.stop;
  options.logprobs = request.logprobs;
  options.sampling = service.default_sampling();
  options.sampling.seed = random_seed();
  request.reply.apply(options.sampling);
  options.sampling.logit_bias = request.logit_bias;
  return options;
}

void submit(Run& run, const CompletionRequest& request, const qwen::GenerateOptions& options,
            const std::vector<std::vector<qwen::Token>>& prompts) {
  const std::size_t count = prompts.size() * static_cast<std::size_t>(request.n);
  run.work = std::make_unique<Work>(run.service, run.exchange, static_cast<int>(count));
  for (std::size_t i = 0; i < count; ++i) {
    qwen::EngineRequest job;
    const std::size_t prompt = i / static_cast<std::size_t>(request.n);
    job.prompt = prompts[prompt];
    job.generate = options;
    job.generate.cancel = run.work->token();
    // Each choice of a prompt has its own seed, the first the request's.
    job.generate.sampling.seed += i % static_cast<std::size_t>(request.n);
    run.jobs.push_back(run.service.engine->submit(std::move(job)));
    run.prompt_of.push_back(prompt);
  }
  run.answer.choices.resize(count);
}

// Takes up a job that has ended.
void take(Run& run, std::size_t index) {
  const qwen::EngineResult& result = run.jobs[index].result();
  run.work->check();
  const qwen::GenerateResult& generation = result.generation;
  Choice& choice = run.answer.choices[index];
  choice.piece = {generation.text, generation.logprobs, generation.alternatives};
  choice.finish = generation.finish;
  const int tokens = static_cast<int>(generation.tokens.size());
  // The choices of one prompt share it.
  if (index == 0 || run.prompt_of[index] != run.prompt_of[index - 1]) {
    run.answer.usage.prompt_tokens += result.prompt_tokens;
    run.answer.usage.cached_tokens += result.cached_tokens;
  }
  run.answer.usage.generated_tokens += tokens;
  note(run.service, run.exchange.record, result);
  Timings& timings = run.timings;
  timings.queue_seconds = std::max(timings.queue_seconds, result.queue_seconds);
  timings.first_token_seconds = std::max(timings.first_token_seconds, result.first_token_seconds);
  timings.total_seconds = std::max(timings.total_seconds, result.total_seconds);
  timings.decode_seconds = std::max(timings.decode_seconds, generation.decode_seconds);
  timings.generated_tokens += tokens;
}

void keep(Run& run) {
  if (run.cache_key.empty() || !run.work) return;
  auto answer = std::make_shared<const Answer>(run.answer);
  run.service.answers.put(run.cache_key, answer, bytes_of(*answer));
}

void send_piece(Run& run, StreamWriter& out, std::size_t index, const Piece& piece, std::size_t& characters) {
  if (piece.text.empty() && piece.logprobs.empty()) return;
  out.event("", run.bodies.piece_chunk(static_cast<int>(index), piece, characters));
  characters += count_characters(piece.text);
}

void send_finish(Run& run, StreamWriter& out, std::size_t index) {
  out.event("", run.bodies.finish_chunk(static_cast<int>(index), run.answer.choices[index].finish));
}

// Sends each job's pieces as they come.
void send_jobs(Run& run, StreamWriter& out) {
  std::vector<std::size_t> characters(run.jobs.size());
  std::vector<bool> done(run.jobs.size());
  auto last_sent = std::chrono::steady_clock::now();
  for (std::size_t left = run.jobs.size(); left > 0 && out.alive();) {
    for (std::size_t i = 0; i < run.jobs.size(); ++i) {
      if (done[i]) continue;
      if (auto chunk = run.jobs[i].next(left > 1 ? kTurn : kKeepAlive)) {
        send_piece(run, out, i,
                   {std::move(chunk->text), std::move(chunk->logprobs), std::move(chunk->alternatives)},
                   characters[i]);
        last_sent = std::chrono::steady_clock::now();
      } else if (run.jobs[i].done()) {
        take(run, i);
        send_finish(run, out, i);
        done[i] = true;
        --left;
      }
    }
    if (std::chrono::steady_clock::now() - last_sent >= kKeepAlive) {
      out.comment("waiting");
      last_sent = std::chrono::steady_clock::now();
    }
  }
}

void send_known(Run& run, StreamWriter& out) {
  for (std::size_t i = 0; i < run.answer.choices.size(); ++i) {
    std::size_t characters = 0;
    send_piece(run, out, i, run.answer.choices[i].piece, characters);
    send_finish(run, out, i);
  }
}

void stream_answer(Run& run, bool chat, StreamWriter& out) {
  try {
    if (chat)
      for (std::size_t i = 0; i < run.answer.choices.size(); ++i)
        out.event("", run.bodies.role_chunk(static_cast<int>(i)));
    if (run.work)
      send_jobs(run, out);
    else
      send_known(run, out);
    if (!out.alive()) {
      run.exchange.record.error = "client_gone";
      return;
    }
    keep(run);
    run.work.reset();
    if (run.include_usage) out.event("", run.bodies.usage_chunk(run.answer.usage, run.timings));
    out.data("[DONE]");
  } catch (...) {
    const ApiError error = current_api_error();
    run.exchange.record.error = error.code;
    out.event("", error.body());
  }
}

void complete(Service& service, Exchange& exchange, const CompletionRequest& request) {
  if (request.model) service.check_model(*request.model);
  exchange.record.task = request.chat ? "chat" : "completion";
  exchange.record.user = request.user;
  const auto prompts = prompts_of(service, request);
  const qwen::GenerateOptions options = generate_options(service, request);
  auto run = std::make_shared<Run>(
      service, exchange,
      CompletionBodies(request.chat, service.model_id, service.model.fingerprint(), service.model.tokenizer(),
                       request.logprobs >= 0, request.include_usage));
  run->include_usage = request.include_usage;
  run->cache_key = service.options.cache_entries > 0 ? key_of(request, options, prompts) : "";
  if (!run->cache_key.empty()) {
    const auto known = service.answers.find(run->cache_key);
    exchange.response->set_header("X-Cache", known ? "hit" : "miss");
    if (known) {
      run->answer = **known;
      exchange.record.work = exchange.record.cache_hit = true;
      exchange.record.prompt_tokens = run->answer.usage.prompt_tokens;
      exchange.record.generated_tokens = run->answer.usage.generated_tokens;
      run->answer.usage.cached_tokens = run->answer.usage.prompt_tokens;
      exchange.record.cached_tokens = run->answer.usage.prompt_tokens;
    }
  }
  if (!exchange.record.cache_hit) submit(*run, request, options, prompts);
  if (request.stream) {
    stream(exchange, "text/event-stream; charset=utf-8",
           [run, chat = request.chat](StreamWriter& out) { stream_answer(*run, chat, out); });
    return;
  }
  for (std::size_t i = 0; i < run->jobs.size(); ++i) take(*run, i);
  keep(*run);
  exchange.json(run->bodies.whole(run->answer, run->timings));
}

}  // namespace

void chat_completions(Service& service, Exchange& exchange) {
  complete(service, exchange, read_chat_request(parse_body(exchange.body)));
}

void completions(Service& service, Exchange& exchange) {
  complete(service, exchange, read_completion_request(parse_body(exchange.body)));
}

}  // namespace qwen_serve
