#include <algorithm>
#include <filesystem>

#include "base/fail.h"
#include "qwen/model.h"
#include "tasks/builtin_tasks.h"
#include "tasks/task_rules.h"

namespace qwen {
namespace {

constexpr std::string_view kCalibration = ".calibration.yaml";

bool is_task_file(const std::string& name) {
  return !name.ends_with(kCalibration) && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

bool is_builtin(const Task& task) {
  if (!task.source.empty()) return false;
  const auto files = tasks::builtin_tasks();
  return std::any_of(files.begin(), files.end(),
                     [&](const tasks::BuiltinTask& builtin) { return builtin.file == task.name + ".yaml"; });
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code unreadable;  // such as a symbolic link to itself: reading the file reports it
    if (it->path().filename().string().front() != '.' && !it->is_directory(unreadable))
      names.push_back(it->path().filename().string());
  }
  if (error)
    fail(error == std::errc::no_such_file_or_directory ? ErrorCode::not_found : ErrorCode::io,
         "tasks folder ", folder, ": ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TaskRegistry::TaskRegistry() {
  for (const tasks::BuiltinTask& builtin : tasks::builtin_tasks()) {
    add(tasks::parse_builtin(builtin));
  }
}

void TaskRegistry::add(Task task) {
  tasks::require_valid(task);
  std::string name = task.name;
  tasks_.insert_or_assign(std::move(name), std::move(task));
}

void TaskRegistry::add_folder(const std::string& path) {
  const std::vector<std::string> names = files_of(path);
  std::map<std::string, Task, std::less<>> added;
  for (const std::string& file : names) {
    if (!is_task_file(file)) continue;
    const std::string whole = (std::filesystem::path(path) / file).string();
    Task task = Task::load(whole);
    const auto [other, fresh] = added.emplace(task.name, task);
    if (!fresh)
      fail(ErrorCode::bad_format, whole, ": the task ", task.name, " is in ", other->second.source,
           " already");
  }
  auto merged = tasks_;
  for (auto& [name, task] : added) merged.insert_or_assign(name, task);
  for (const std::string& file : names) {
    if (!file.ends_with(kCalibration)) continue;
    const std::string whole = (std::filesystem::path(path) / file).string();
    const auto task = merged.find(file.substr(0, file.size() - kCalibration.size()));
    if (task == merged.end()) fail(ErrorCode::bad_format, whole, ": no task has this name");
    task->second.calibration = load_calibration(task->second, whole);
  }
  tasks_ = std::move(merged);
}

const Task* TaskRegistry::find(std::string_view name) const {
  const auto found = tasks_.find(name);
  return found == tasks_.end() ? nullptr : &found->second;
}

const Task& TaskRegistry::get(std::string_view name) const {
  if (const Task* task = find(name)) return *task;
  std::string known;
  for (const std::string& other : names()) known += (known.empty() ? "" : ", ") + other;
  fail(ErrorCode::not_found, "there is no task ", quoted(name), "; there are ", known);
}

std::vector<std::string> TaskRegistry::names_for(const ModelInfo& model) const {
  const std::vector<std::string>& trained = model.trained_tasks;
  std::vector<std::string> offered;
  for (const auto& [name, task] : tasks_)
    if (trained.empty() || !is_builtin(task) ||
        std::find(trained.begin(), trained.end(), name) != trained.end())
      offered.push_back(name);
  return offered;
}

std::vector<std::string> TaskRegistry::names() const {
  std::vector<std::string> out;
  for (const auto& [name, task] : tasks_) out.push_back(name);
  return out;
}

}  // namespace qwen
