#include "qwen-serve/completion_run.h"

#include <algorithm>

namespace qwen_serve {
namespace {

std::vector<qwen::Token> chat_prompt(const Service& service, const CompletionRequest& request) {
  const qwen::ChatTemplate& chat_template = service.model.chat_template();
  qwen::ChatTemplate::RenderOptions options;
  options.enable_thinking = request.thinking;
  options.add_generation_prompt = request.add_generation_prompt && !request.continue_final_message;
  auto tokens = chat_template.render(request.messages, options);
  if (request.continue_final_message) {  // without what ends the assistant's last turn
    const auto ends = chat_template.end_of_turn();
    const auto last = std::find_first_of(tokens.rbegin(), tokens.rend(), ends.begin(), ends.end());
    if (last != tokens.rend()) tokens.erase(std::next(last).base(), tokens.end());
  }
  return tokens;
}

std::vector<std::vector<qwen::Token>> prompts_of(const Service& service, const CompletionRequest& request) {
  std::vector<std::vector<qwen::Token>> prompts;
  const char* field = request.chat ? "messages" : "prompt";
  if (request.chat) prompts.push_back(chat_prompt(service, request));
  for (const auto& prompt : request.prompts) {
    if (const auto* tokens = std::get_if<std::vector<qwen::Token>>(&prompt)) {
      service.check_tokens(*tokens, field);
      prompts.push_back(*tokens);
    } else {
      prompts.push_back(service.model.tokenizer().encode_prompt(std::get<std::string>(prompt)));
    }
  }
  for (const auto& prompt : prompts) {
    if (prompt.empty()) throw bad_field(field, std::string(field) + " is empty");
    service.check_prompt(prompt.size(), field);
  }
  return prompts;
}

qwen::GenerateOptions generate_options(const Service& service, const CompletionRequest& request) {
  qwen::GenerateOptions options;
  options.max_new_tokens = request.reply.max_tokens.value_or(service.options.max_tokens);
  if (options.max_new_tokens == ReplyFields::kNoLimit) options.max_new_tokens = service.context();
  options.stop_at_end_of_turn = !request.ignore_eos;
  options.stop = request.stop;
  options.logprobs = request.logprobs;
  options.sampling = service.default_sampling();
  options.sampling->seed = random_seed();
  request.reply.apply(*options.sampling);
  for (const auto& [token, bias] : request.logit_bias) service.check_tokens({&token, 1}, "logit_bias");
  options.sampling->logit_bias = request.logit_bias;
  return options;
}

}  // namespace

CompletionRun::CompletionRun(Service& owner, RequestContext& request_context,
                             const CompletionRequest& request)
    : service(owner),
      context(request_context),
      prompts(prompts_of(owner, request)),
      options(generate_options(owner, request)),
      choices_per_prompt(static_cast<std::size_t>(request.n)) {}

// Submits the next choice, if any is left.
void CompletionRun::submit_next() {
  const std::size_t index = jobs.size();
  if (index == answer.choices.size()) return;
  qwen::EngineRequest job;
  job.prompt = prompts[index / choices_per_prompt];
  job.generate = options;
  job.generate.cancel = admitted->token();
  // Each choice of a prompt has its own seed, the first the request's.
  *job.generate.sampling->seed += index % choices_per_prompt;
  jobs.push_back(service.engine->submit(std::move(job)));
}

// A request of many choices takes at most the places that are computed at once.
void CompletionRun::submit() {
  const std::size_t count = prompts.size() * choices_per_prompt;
  const std::size_t places = std::min(count, static_cast<std::size_t>(service.options.parallel));
  admitted = std::make_unique<AdmittedRequest>(service, context, static_cast<int>(places));
  answer.choices.resize(count);
  while (jobs.size() < places) submit_next();
}

// Waits for a job's end and adds its result to the answer.
void CompletionRun::collect(std::size_t index) {
  const qwen::EngineResult& result = jobs[index].result();
  admitted->check();
  const qwen::GenerateResult& generation = result.generation;
  Choice& choice = answer.choices[index];
  choice.delta = {generation.text, generation.logprobs, generation.alternatives};
  choice.finish = generation.finish;
  const int tokens = static_cast<int>(generation.tokens.size());
  // The choices of one prompt share it.
  if (index % choices_per_prompt == 0) {
    answer.usage.prompt_tokens += result.prompt_tokens;
    answer.usage.cached_tokens += result.cached_tokens;
  }
  answer.usage.generated_tokens += tokens;
  note(service, context.log, result);
  timings.queue_seconds = std::max(timings.queue_seconds, result.queue_seconds);
  timings.first_token_seconds = std::max(timings.first_token_seconds, result.first_token_seconds);
  timings.total_seconds = std::max(timings.total_seconds, result.total_seconds);
  timings.decode_seconds = std::max(timings.decode_seconds, generation.decode_seconds);
  timings.generated_tokens += tokens;
  submit_next();
}

}  // namespace qwen_serve
