// /v1/models.
#include "qwen-serve/endpoints.h"

namespace qwen_serve {
namespace {

Json model_json(const Service& service, std::size_t index, const std::string& id) {
  const ModelCard& card = service.models.card(index);
  return {{"id", id},
          {"object", "model"},
          {"created", service.created},
          {"owned_by", "libqwen"},
          {"meta",
           {{"architecture", card.info.architecture},
            {"parameters", card.info.parameters},
            {"vocabulary", card.info.vocab_size},
            {"context", card.context},
            {"max_context", card.info.shape.max_context},
            {"file_type", card.info.file_type},
            {"weight_bytes", card.weight_bytes},
            {"memory_bytes", card.memory_bytes},
            {"loaded", service.models.is_loaded(index)}}}};
}

}  // namespace

void models(Service& service, RequestContext& context) {
  Json list = Json::array();
  for (const auto& [id, index] : service.models.names()) list.push_back(model_json(service, index, id));
  context.json({{"object", "list"}, {"data", std::move(list)}});
}

void model(Service& service, RequestContext& context) {
  const std::size_t index = service.find_model(context.path_suffix);
  context.json(model_json(service, index, context.path_suffix));
}

}  // namespace qwen_serve
