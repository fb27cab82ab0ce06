// /tokenize, /detokenize and /apply-template.
#include "qwen-serve/completion_run.h"
#include "qwen-serve/endpoints.h"
#include "qwen-serve/task_requests.h"

namespace qwen_serve {

void tokenize(Service& service, RequestContext& context) {
  const TokenizeRequest request = read_tokenize_request(parse_body(context.request.body));
  const auto special =
      request.special ? qwen::Tokenizer::ControlTokens::parse : qwen::Tokenizer::ControlTokens::as_text;
  const auto tokens =
      service.use_model(context, request.model)->model.tokenizer().encode(request.text, special);
  context.json({{"tokens", tokens}, {"count", tokens.size()}});
}

void detokenize(Service& service, RequestContext& context) {
  const DetokenizeRequest request = read_detokenize_request(parse_body(context.request.body));
  const ServedModelPtr served = service.use_model(context, request.model);
  served->check_tokens(request.tokens, "tokens");
  context.json({{"text", served->model.tokenizer().decode(request.tokens, true)}});
}

// The body is a chat completion's.
void apply_template(Service& service, RequestContext& context) {
  const CompletionRequest request =
      read_chat_request(parse_body(context.request.body), RawJson(context.request.body));
  const ServedModelPtr served = service.use_model(context, request.model);
  const qwen::RenderedPrompt prompt = chat_prompt(*served, request);
  context.json({{"prompt", prompt.text()}, {"tokens", served->model.chat_template().encode(prompt)}});
}

}  // namespace qwen_serve
