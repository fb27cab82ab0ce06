#include "qwen-serve/model_pool.h"

#include <algorithm>
#include <filesystem>

#include "common/program.h"
#include "qwen-serve/api_error.h"

namespace qwen_serve {
namespace {

constexpr int kDefaultContext = 2048;  // as EngineOptions
constexpr double kMegabyte = 1 << 20;

[[noreturn]] void refuse(const std::string& message) {
  throw qwen::Error(qwen::ErrorCode::invalid_argument, message);
}

std::string megabytes(std::uint64_t bytes) {
  return std::to_string(static_cast<long>(static_cast<double>(bytes) / kMegabyte + 0.5)) + " MB";
}

// "name=path", or a path.
std::pair<std::string, std::string> split_name(const std::string& text) {
  const std::size_t equals = text.find('=');
  std::error_code ignored;
  if (equals == std::string::npos || text.find('/') < equals || std::filesystem::exists(text, ignored))
    return {"", text};
  const std::string name = text.substr(0, equals);
  if (name.empty() || name != model_id(name))
    refuse("--model: \"" + name + "\" cannot be a model's name: expected no spaces and none of / ? # %");
  return {name, text.substr(equals + 1)};
}

void fill_card(ModelCard& card, const qwen::ModelInfo& info, const qwen::ChatTemplate& chat_template) {
  card.info = info;
  if (card.id.empty()) card.id = model_id(info.name);
  card.template_name = chat_template.name();
  card.shows_tools = shows_tools(chat_template);
  card.thinking = chat_template.thinking();
}

}  // namespace

ModelPool::ModelPool(const Options& options, const qwen::TaskRegistry& tasks,
                     ClassifierRegistry::Results labels)
    : options_(options), tasks_(tasks), labels_(std::move(labels)) {
  if (options.models.empty()) add("", "");
  for (const std::string& text : options.models) {
    auto [name, path] = split_name(text);
    add(std::move(name), std::move(path));
  }
  for (std::size_t i = 1; !options.alias.empty() && i < size(); ++i)
    if (card(i).id == options.alias) refuse("--alias " + options.alias + " is the name of another model");
}

// Reads what is known of a model; the first one is loaded, which tells more.
void ModelPool::add(std::string name, std::string path) {
  auto entry = std::make_unique<Entry>();
  ModelCard& card = entry->card;
  card.id = std::move(name);
  card.path = std::move(path);
  if (entries_.empty()) {
    tools::ModelOptions first = options_.model;
    first.path = card.path;
    const qwen::Model model = tools::load_model(first);
    fill_card(card, model.info(), model.chat_template());
    entry->served = std::make_shared<ServedModel>(card.id, model, options_, tasks_, labels_);
    entry->loads = 1;
    entry->fingerprint = model.fingerprint();
    card.context = entry->served->context();
    card.weight_bytes = model.weight_bytes();
    card.memory_bytes = card.weight_bytes + static_cast<std::uint64_t>(entry->served->kv_limit());
  } else {
    const qwen::LoadOptions load = tools::load_options(options_.model);
    fill_card(card, qwen::Model::inspect(card.path, load), qwen::Model::load_chat_template(card.path, load));
    const int most = card.info.shape.max_context;
    card.context = options_.context > 0 ? options_.context : std::min(kDefaultContext, most);
  }
  if (!card.path.empty()) {
    const auto need = qwen::Model::estimate(card.path, card.context, options_.parallel,
                                            tools::load_options(options_.model));
    card.memory_bytes = need.weights + need.kv_cache + need.scratch;
    if (!entry->served) card.weight_bytes = need.weights;
  }
  const auto limit = static_cast<std::uint64_t>(options_.models_mb) << 20;
  if (limit > 0 && card.memory_bytes > limit)
    refuse("--models-mb " + std::to_string(options_.models_mb) + ": model " + card.id + " alone needs " +
           megabytes(card.memory_bytes) + " with --parallel " + std::to_string(options_.parallel));
  for (const auto& other : entries_)
    if (other->card.id == card.id)
      refuse("--model: two models are named " + card.id + "; name them with --model NAME=PATH");
  entries_.push_back(std::move(entry));
}

std::optional<std::size_t> ModelPool::find(const std::string& name) const {
  constexpr std::string_view kLatest = ":latest";
  if (!options_.alias.empty() && name == options_.alias) return 0;
  for (std::size_t i = 0; i < size(); ++i)
    if (card(i).id == name) return i;
  if (name.ends_with(kLatest)) return find(name.substr(0, name.size() - kLatest.size()));
  return std::nullopt;
}

std::vector<std::pair<std::string, std::size_t>> ModelPool::names() const {
  std::vector<std::pair<std::string, std::size_t>> list;
  for (std::size_t i = 0; i < size(); ++i) {
    list.emplace_back(card(i).id, i);
    if (i == 0 && !options_.alias.empty()) list.emplace_back(options_.alias, i);
  }
  return list;
}

bool ModelPool::is_loaded(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return entries_[index]->served != nullptr;
}

double ModelPool::read(std::size_t index, const std::function<double(const ServedModel&)>& read) const {
  const std::lock_guard lock(mutex_);
  return entries_[index]->served ? read(*entries_[index]->served) : 0;
}

std::uint64_t ModelPool::loads(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return entries_[index]->loads;
}

std::uint64_t ModelPool::fingerprint(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return entries_[index]->fingerprint;
}

ServedModelPtr ModelPool::get(std::size_t index) {
  Entry& entry = *entries_[index];
  const auto use = [&]() -> ServedModelPtr {
    const std::lock_guard lock(mutex_);
    entry.last_used = ++uses_;
    return entry.served;
  };
  if (auto served = use()) return served;
  const std::lock_guard loading(load_mutex_);
  if (auto served = use()) return served;  // another request has loaded it
  make_room(index);
  try {
    auto served = std::make_shared<ServedModel>(entry.card.id, load(entry.card), options_, tasks_, labels_);
    const std::lock_guard lock(mutex_);
    ++entry.loads;
    entry.fingerprint = served->model.fingerprint();
    entry.served = served;
    return served;
  } catch (const qwen::Error& error) {
    tools::warn("model " + entry.card.id + ": " + error.what());
    throw ApiError(503, "model_unavailable", "model " + entry.card.id + " cannot be loaded", "model");
  }
}

// Unloads models that no request uses, the least recently used first. With load_mutex_ held.
void ModelPool::make_room(std::size_t index) {
  const auto limit = static_cast<std::uint64_t>(options_.models_mb) << 20;
  const std::uint64_t need = entries_[index]->card.memory_bytes;
  while (limit > 0) {
    ServedModelPtr unloaded;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    std::uint64_t taken = 0;
    Entry* oldest = nullptr;
    for (const auto& entry : entries_) {
      if (!entry->served) continue;
      taken += entry->card.memory_bytes;
      // Only the pool makes copies, with mutex_ held: a count of 1 stays 1.
      if (entry->served.use_count() == 1 && (!oldest || entry->last_used < oldest->last_used))
        oldest = entry.get();
    }
    if (taken + need <= limit) return;
    if (!oldest) {
      ApiError busy(503, "models_in_use",
                    "model " + entries_[index]->card.id + " needs " + megabytes(need) +
                        "; models in use take " + megabytes(taken) + " of " +
                        std::to_string(options_.models_mb) + " MB",
                    "model");
      busy.retry_after_seconds = 1;
      throw busy;
    }
    unloaded = std::move(oldest->served);
  }
}

// With the threads of a model that is loaded: there is one pool of them.
qwen::Model ModelPool::load(const ModelCard& card) const {
  qwen::LoadOptions options = tools::load_options(options_.model);
  ServedModelPtr other;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : entries_)
      if (entry->served) other = entry->served;
  }
  if (other) {
    options.share_threads_with = &other->model;
    options.threads = 0;
    options.pin_threads = false;
  }
  return card.path.empty() ? qwen::Model::builtin(options) : qwen::Model::load(card.path, options);
}

}  // namespace qwen_serve
