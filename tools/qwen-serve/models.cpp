// /v1/models.
#include "qwen-serve/endpoints.h"

namespace qwen_serve {
namespace {

Json model_json(const Service& service, const std::string& id) {
  const qwen::ModelInfo& info = service.served->model.info();
  return {{"id", id},
          {"object", "model"},
          {"created", service.created},
          {"owned_by", "libqwen"},
          {"meta",
           {{"architecture", info.architecture},
            {"parameters", info.parameters},
            {"vocabulary", info.vocab_size},
            {"context", service.served->context()},
            {"max_context", info.shape.max_context},
            {"file_type", info.file_type},
            {"weight_bytes", service.served->model.weight_bytes()}}}};
}

}  // namespace

void models(Service& service, RequestContext& context) {
  Json list = Json::array({model_json(service, service.served->id)});
  if (!service.options.alias.empty()) list.push_back(model_json(service, service.options.alias));
  context.json({{"object", "list"}, {"data", std::move(list)}});
}

void model(Service& service, RequestContext& context) {
  service.check_model(context.path_suffix);
  context.json(model_json(service, context.path_suffix));
}

}  // namespace qwen_serve
