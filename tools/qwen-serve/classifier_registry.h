// The classifiers of all tasks, made when they are first asked for.
#pragma once
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "qwen/classifier.h"

namespace qwen_serve {

class ClassifierRegistry {
 public:
  using ClassifierPtr = std::shared_ptr<qwen::Classifier>;
  using Results = std::shared_ptr<qwen::ResultCache<qwen::Classification>>;
  ClassifierRegistry(std::shared_ptr<qwen::Engine> engine, const qwen::TaskRegistry& tasks, Results results)
      : engine_(std::move(engine)), tasks_(tasks), results_(std::move(results)) {}

  // ApiError 404 for no such task, 400 for one of another kind.
  std::shared_ptr<qwen::Classifier> task(const std::string& name);
  // Of labels that a request brings.
  std::shared_ptr<qwen::Classifier> labels(const std::vector<std::string>& labels);

 private:
  std::shared_ptr<qwen::Classifier> make(const qwen::Task& task, bool pin);

  std::shared_ptr<qwen::Engine> engine_;
  const qwen::TaskRegistry& tasks_;
  Results results_;
  std::mutex mutex_;
  std::map<std::string, std::shared_future<ClassifierPtr>> by_name_;  // at most one a task
  std::list<std::pair<std::vector<std::string>, std::shared_ptr<qwen::Classifier>>>
      by_labels_;  // last used first
};

}  // namespace qwen_serve
