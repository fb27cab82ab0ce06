#include "qwen-serve/classifier_registry.h"

#include <algorithm>

#include "common/program.h"
#include "qwen-serve/api_error.h"

namespace qwen_serve {
namespace {

// Lists of labels from clients whose classifiers are kept.
constexpr std::size_t kLabelSets = 4;

}  // namespace

std::shared_ptr<qwen::Classifier> ClassifierRegistry::make(const qwen::Task& task, bool pin) {
  qwen::ClassifierOptions options;
  options.pin = pin;
  options.results = results_;
  auto classifier = std::make_shared<qwen::Classifier>(engine_, task, options);
  if (task.calibration && !classifier->calibrated())
    tools::warn("the calibration of task " + task.name +
                " was fitted with another model or prompt and is not used");
  return classifier;
}

std::shared_ptr<qwen::Classifier> ClassifierRegistry::task(const std::string& name) {
  const qwen::Task* task = tasks_.find(name);
  if (!task)
    throw ApiError(404, "task_not_found", "there is no task \"" + name.substr(0, 100) + "\"", "task");
  if (task->kind != qwen::TaskKind::classify)
    throw ApiError(400, "invalid_value", "task " + name + " writes text: it has no labels", "task");
  // Making one computes the task's prompt, so it happens outside the lock: requests for other tasks go on.
  std::promise<ClassifierPtr> promise;
  std::shared_future<ClassifierPtr> made;
  bool mine = false;
  {
    const std::lock_guard lock(mutex_);
    auto& entry = by_name_[name];
    mine = !entry.valid();
    if (mine) entry = promise.get_future().share();
    made = entry;
  }
  if (!mine) return made.get();
  try {
    promise.set_value(make(*task, true));
  } catch (...) {
    promise.set_exception(std::current_exception());
    const std::lock_guard lock(mutex_);
    by_name_.erase(name);  // the next request tries again
  }
  return made.get();
}

std::shared_ptr<qwen::Classifier> ClassifierRegistry::labels(const std::vector<std::string>& labels) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(by_labels_.begin(), by_labels_.end(),
                                    [&](const auto& entry) { return entry.first == labels; });
    if (found != by_labels_.end()) {
      by_labels_.splice(by_labels_.begin(), by_labels_, found);
      return found->second;
    }
  }
  // Clients may bring any number of lists: the engine must not keep the prompt of each for good.
  auto classifier = make(qwen::Task::for_labels(labels), false);
  const std::lock_guard lock(mutex_);
  by_labels_.emplace_front(labels, classifier);
  if (by_labels_.size() > kLabelSets) by_labels_.pop_back();
  return classifier;
}

}  // namespace qwen_serve
