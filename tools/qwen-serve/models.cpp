// /v1/models, /tokenize and /detokenize.
#include "qwen-serve/endpoints.h"
#include "qwen-serve/task_requests.h"

namespace qwen_serve {
namespace {

Json model_json(const Service& service, const std::string& id) {
  const qwen::ModelInfo& info = service.model.info();
  return {{"id", id},
          {"object", "model"},
          {"created", service.created},
          {"owned_by", "libqwen"},
          {"meta",
           {{"architecture", info.architecture},
            {"parameters", info.parameters},
            {"vocabulary", info.vocab_size},
            {"context", service.context()},
            {"max_context", info.shape.max_context},
            {"file_type", info.file_type},
            {"weight_bytes", service.model.weight_bytes()}}}};
}

}  // namespace

void models(Service& service, Exchange& exchange) {
  Json list = Json::array({model_json(service, service.model_id)});
  if (!service.options.alias.empty()) list.push_back(model_json(service, service.options.alias));
  exchange.json({{"object", "list"}, {"data", std::move(list)}});
}

void model(Service& service, Exchange& exchange) {
  service.check_model(exchange.tail);
  exchange.json(model_json(service, exchange.tail));
}

void tokenize(Service& service, Exchange& exchange) {
  const TokenizeRequest request = read_tokenize_request(parse_body(exchange.body));
  const auto special =
      request.special ? qwen::Tokenizer::ControlTokens::parse : qwen::Tokenizer::ControlTokens::as_text;
  const auto tokens = service.model.tokenizer().encode(request.text, special);
  exchange.json({{"tokens", tokens}, {"count", tokens.size()}});
}

void detokenize(Service& service, Exchange& exchange) {
  const auto tokens = read_detokenize_request(parse_body(exchange.body));
  const qwen::Tokenizer& tokenizer = service.model.tokenizer();
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] >= tokenizer.size())
      throw bad_field("tokens", "tokens[" + std::to_string(i) + "]: expected an id below " +
                                    std::to_string(tokenizer.size()) + ", found " +
                                    std::to_string(tokens[i]));
  exchange.json({{"text", tokenizer.decode(tokens, true)}});
}

}  // namespace qwen_serve
