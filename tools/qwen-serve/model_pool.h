// The models of a server. They are loaded on first use; if the memory limit asks, the least recently used are unloaded,
// never while a request uses them.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qwen-serve/served_model.h"

namespace qwen_serve {

// What is known of a model, loaded or not.
struct ModelCard {
  std::string id;    // for clients
  std::string path;  // "": the bundled model
  qwen::ModelInfo info;
  std::string template_name;
  bool shows_tools = false;
  qwen::ChatTemplate::Thinking thinking = qwen::ChatTemplate::Thinking::none;
  int context = 0;
  std::uint64_t weight_bytes = 0;  // in memory
  std::uint64_t memory_bytes = 0;  // weights, full KV caches and activations
};

// Safe from many threads.
class ModelPool {
 public:
  // Reads the metadata of all models and loads the first. `options` and `tasks` must outlive the pool.
  // Throws qwen::Error(invalid_argument) if two have the same name, or one alone exceeds the memory limit; and as
  // qwen::Model::load().
  ModelPool(const Options& options, const qwen::TaskRegistry& tasks, ClassifierRegistry::Results labels);

  std::size_t size() const noexcept { return entries_.size(); }
  const ModelCard& card(std::size_t index) const { return entries_[index]->card; }
  // By id or alias, also followed by ":latest" as Ollama's clients write it.
  std::optional<std::size_t> find(const std::string& name) const;
  // The models' names, each with its index: the first model's id, its alias, and the other ids.
  std::vector<std::pair<std::string, std::size_t>> names() const;

  // Loads the model if it is not loaded.
  // Throws ApiError 503 if it cannot be loaded, or if models in use have taken the memory that it needs.
  ServedModelPtr get(std::size_t index);
  bool is_loaded(std::size_t index) const;
  std::uint64_t loads(std::size_t index) const;        // so far
  std::uint64_t fingerprint(std::size_t index) const;  // qwen::Model's; 0 before the first load
  // A number of a loaded model, else 0. `read` is called with the pool locked.
  double read(std::size_t index, const std::function<double(const ServedModel&)>& read) const;

 private:
  struct Entry {
    ModelCard card;
    ServedModelPtr served;        // null: not loaded
    std::uint64_t last_used = 0;  // a count of uses, not a time
    std::uint64_t loads = 0, fingerprint = 0;
  };

  void add(std::string name, std::string path);
  qwen::Model load(const ModelCard& card) const;
  void make_room(std::size_t index);

  const Options& options_;
  const qwen::TaskRegistry& tasks_;
  const ClassifierRegistry::Results labels_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::mutex load_mutex_;     // one load at a time; locked before mutex_
  mutable std::mutex mutex_;  // of what is in the entries beside their cards
  std::uint64_t uses_ = 0;
};

}  // namespace qwen_serve
