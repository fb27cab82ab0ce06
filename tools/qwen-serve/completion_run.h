// The work behind one completion request: its prompts, and a job on the engine for each choice.
#pragma once
#include <memory>
#include <vector>

#include "qwen-serve/openai_request.h"
#include "qwen-serve/service.h"

namespace qwen_serve {

// The prompt of a chat completion. Throws ApiError 400 for tools or thinking that the template does not have.
qwen::RenderedPrompt chat_prompt(const ServedModel& served, const CompletionRequest& request);

struct CompletionRun {
  // Renders or encodes the prompts. Throws ApiError 400 if one is empty or does not fit.
  CompletionRun(Service& service, RequestContext& context, const CompletionRequest& request);

  // Admits the request and submits its first jobs. Throws ApiError 503 if the server is busy.
  void submit();
  // Waits for the end of a job, adds its result to the answer, and submits the next one. Throws ApiError if the
  // request was cancelled.
  void collect(std::size_t index);

  // For one reply.
  ReplySplitter splitter() const { return {thought, has_tools}; }

  Service& service;
  RequestContext& context;
  const ServedModelPtr served;
  qwen::Thought thought = qwen::Thought::none;  // before the prompts, which set it
  std::vector<std::vector<qwen::Token>> prompts;
  qwen::GenerateOptions options;
  bool has_tools;  // the model may call them
  std::size_t choices_per_prompt;
  std::unique_ptr<AdmittedRequest> admitted;  // null before submit(), and if the answer was cached
  std::vector<qwen::EngineJob> jobs;          // the choices submitted so far, in order
  Answer answer;
  Timings timings;

 private:
  void submit_next();
};

}  // namespace qwen_serve
