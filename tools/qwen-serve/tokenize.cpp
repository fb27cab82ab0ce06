// /tokenize and /detokenize.
#include "qwen-serve/endpoints.h"
#include "qwen-serve/task_requests.h"

namespace qwen_serve {

void tokenize(Service& service, RequestContext& context) {
  const TokenizeRequest request = read_tokenize_request(parse_body(context.request.body));
  const auto special =
      request.special ? qwen::Tokenizer::ControlTokens::parse : qwen::Tokenizer::ControlTokens::as_text;
  const auto tokens = service.model.tokenizer().encode(request.text, special);
  context.json({{"tokens", tokens}, {"count", tokens.size()}});
}

void detokenize(Service& service, RequestContext& context) {
  const auto tokens = read_detokenize_request(parse_body(context.request.body));
  service.check_tokens(tokens, "tokens");
  context.json({{"text", service.model.tokenizer().decode(tokens, true)}});
}

}  // namespace qwen_serve
