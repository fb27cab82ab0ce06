#include "qwen-serve/service.h"

#include <algorithm>
#include <cstdlib>

namespace qwen_serve {
namespace {

constexpr int kDefaultContext = 2048;

qwen::TaskRegistry read_tasks(const Options& options) {
  qwen::TaskRegistry tasks;
  for (const std::string& folder : options.task_folders) tasks.add_folder(folder);
  return tasks;
}

std::string key_list() {
  const char* list = std::getenv("QWEN_API_KEY");
  return list ? list : "";
}

// The model's name without what would be awkward in a URL.
std::string id_of(const qwen::Model& model) {
  std::string id = model.info().name;
  for (char& c : id)
    if (static_cast<unsigned char>(c) <= 0x20 || c == '/' || c == '?' || c == '#' || c == '%') c = '-';
  return id.empty() ? "qwen" : id;
}

}  // namespace

Service::Service(const Options& given, qwen::Model loaded)
    : options(given),
      model(std::move(loaded)),
      model_id(id_of(model)),
      tasks(read_tasks(options)),
      keys(options.api_key_file, key_list()),
      rates(options.rate),
      admission(options.parallel, options.queue) {
  if (!options.access_log.empty()) access_log = std::make_unique<AccessLog>(options.access_log);
  metrics.add({Metrics::Reading::gauge,
               "qwen_build_info",
               "Always 1; what is running stands in the labels",
               [] { return 1.0; },
               {{"version", QWEN_VERSION},
                {"model", model_id},
                {"isa", std::string(model.isa())},
                {"threads", std::to_string(model.threads())}}});
  metrics.add(
      {Metrics::Reading::gauge, "process_resident_memory_bytes", "Memory that is in RAM", resident_bytes});
  metrics.add({Metrics::Reading::gauge, "qwen_weight_bytes", "Memory of the packed weights",
               [this] { return static_cast<double>(model.weight_bytes()); }});
}

int Service::context() const {
  const int longest = model.shape().max_context;
  return std::min(longest, options.context > 0 ? options.context : kDefaultContext);
}

int Service::max_prompt() const {
  return options.max_prompt > 0 ? std::min(options.max_prompt, context()) : context();
}

void Service::check_model(const std::string& name) const {
  if (name == model_id || (!options.alias.empty() && name == options.alias)) return;
  throw ApiError(404, "model_not_found",
                 "there is no model \"" + name.substr(0, 100) + "\" here; expected \"" + model_id + "\"",
                 "model");
}

}  // namespace qwen_serve
