#include "qwen-serve/completion_run.h"

#include <algorithm>

namespace qwen_serve {
namespace {

void check_thinking(const CompletionRequest& request, qwen::ChatTemplate::Thinking thinking) {
  using Thinking = qwen::ChatTemplate::Thinking;
  if (request.thinking == true && thinking == Thinking::none)
    throw bad_field("enable_thinking", "enable_thinking: the model's chat template has no thinking",
                    "unsupported_field");
  if (request.thinking == false && thinking == Thinking::always)
    throw bad_field("enable_thinking", "enable_thinking: the model's chat template cannot turn thinking off",
                    "unsupported_field");
}

// `thought` is that of the chat's prompt.
std::vector<std::vector<qwen::Token>> prompts_of(const ServedModel& served, const CompletionRequest& request,
                                                 qwen::Thought& thought) {
  std::vector<std::vector<qwen::Token>> prompts;
  const char* field = request.chat ? "messages" : "prompt";
  if (request.chat) {
    const qwen::RenderedPrompt prompt = chat_prompt(served, request);
    thought = prompt.thought;
    prompts.push_back(served.model.chat_template().encode(prompt));
  }
  for (const auto& prompt : request.prompts) {
    if (const auto* tokens = std::get_if<std::vector<qwen::Token>>(&prompt)) {
      served.check_tokens(*tokens, field);
      prompts.push_back(*tokens);
    } else {
      prompts.push_back(served.model.tokenizer().encode_prompt(std::get<std::string>(prompt)));
    }
  }
  for (const auto& prompt : prompts) {
    if (prompt.empty()) throw bad_field(field, std::string(field) + " is empty");
    served.check_prompt(prompt.size(), field);
  }
  return prompts;
}

// Compiled once for all requests of the same format.
std::optional<qwen::Constraint> constraint_of(Service& service, const AnswerFormat& format) {
  if (format.kind == AnswerFormat::Kind::text) return std::nullopt;
  const std::string key = format.key();
  auto constraint = service.constraints.find(key);
  if (!constraint) {
    constraint = format.constraint();
    service.constraints.insert(key, *constraint, key.size());
  }
  return constraint;
}

qwen::GenerateOptions generate_options(Service& service, const ServedModel& served,
                                       const CompletionRequest& request, qwen::Thought thought) {
  qwen::GenerateOptions options;
  options.constraint = constraint_of(service, request.format);
  options.thought = thought;
  options.thought_tokens = request.thought_tokens;
  options.min_new_tokens = request.min_tokens;
  options.stop_tokens = request.stop_tokens;
  served.check_tokens(request.stop_tokens, "stop_token_ids");
  options.max_new_tokens = request.reply.max_tokens.value_or(service.options.max_tokens);
  if (options.max_new_tokens == ReplyFields::kNoLimit) options.max_new_tokens = served.context();
  options.stop_at_end_of_turn = !request.ignore_eos;
  options.stop = request.stop;
  options.logprobs = request.logprobs;
  if (request.echo) options.prompt_logprobs = request.logprobs;
  options.sampling = served.default_sampling();
  options.sampling->seed = random_seed();
  request.reply.apply(*options.sampling);
  for (const auto& [token, bias] : request.logit_bias) served.check_tokens({&token, 1}, "logit_bias");
  options.sampling->logit_bias = request.logit_bias;
  return options;
}

}  // namespace

qwen::RenderedPrompt chat_prompt(const ServedModel& served, const CompletionRequest& request) {
  const qwen::ChatTemplate& chat_template = served.model.chat_template();
  check_thinking(request, chat_template.thinking());
  qwen::ChatTemplate::RenderOptions options;
  options.enable_thinking = chat_template.enable_thinking(request.thinking.value_or(false));
  options.continue_final_message = request.continue_final_message;
  options.add_generation_prompt = request.add_generation_prompt && !request.continue_final_message;
  options.tools = request.format.tools;
  const qwen::RenderedPrompt prompt = chat_template.apply(request.messages, options);
  if (!options.tools.empty() && !served.tools_shown)
    throw bad_field("tools", "tools: the model's chat template does not show tools to the model",
                    "unsupported_field");
  if (request.thought_tokens >= 0 && prompt.thought == qwen::Thought::none)
    throw bad_field("thinking_budget", "thinking_budget: only if the model thinks (enable_thinking)");
  return prompt;
}

CompletionRun::CompletionRun(Service& owner, RequestContext& request_context,
                             const CompletionRequest& request)
    : service(owner),
      context(request_context),
      served(owner.use_model(request_context, request.model)),
      prompts(prompts_of(*served, request, thought)),
      options(generate_options(owner, *served, request, thought)),
      has_tools(request.format.kind == AnswerFormat::Kind::tools),
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
  jobs.push_back(served->engine->submit(std::move(job)));
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
  ReplySplitter splitter = this->splitter();
  choice.delta = splitter.push(generation.text);
  Delta rest = splitter.finish();
  choice.delta.reasoning += rest.reasoning;
  choice.delta.text += rest.text;
  choice.delta.calls.insert(choice.delta.calls.end(), rest.calls.begin(), rest.calls.end());
  choice.delta.add_logprobs(generation.prompt_logprobs, generation.prompt_alternatives);
  choice.delta.add_logprobs(generation.logprobs, generation.alternatives);
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
