// What a task is, apart from how its file is read.
#include "qwen/task.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/fail.h"
#include "tasks/task_rules.h"

namespace qwen {
namespace {

constexpr std::string_view kPlace = "{text}";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string list_of(const std::vector<std::string>& labels) {
  std::string out;
  for (std::size_t i = 0; i < labels.size(); ++i)
    out += (i == 0 ? "" : i + 1 == labels.size() ? " 或 " : "、") + ("\"" + labels[i] + "\"");
  return out;
}

}  // namespace

const char* to_string(TaskKind kind) noexcept {
  switch (kind) {
    case TaskKind::classify: return "classify";
    case TaskKind::generate: return "generate";
    case TaskKind::extract: return "extract";
  }
  return "classify";
}

std::string Task::user_message(std::string_view text) const {
  const std::size_t at = user_template.find(kPlace);
  if (at == std::string::npos) return user_template;
  std::string out = user_template.substr(0, at);
  out += text;
  out += user_template.substr(at + kPlace.size());
  return out;
}

std::vector<Message> Task::messages(std::string_view text, const std::vector<Message>& turns,
                                    std::string_view reply_to) const {
  std::vector<Message> out;
  const auto steered = system_by_label.find(std::string(reply_to));
  const std::string& prompt = steered != system_by_label.end() ? steered->second : system;
  if (!prompt.empty()) out.push_back({"system", prompt});
  for (const TaskExample& example : examples) {
    out.push_back({"user", user_message(example.text)});
    out.push_back({"assistant", example.answer});
  }
  out.insert(out.end(), turns.begin(), turns.end());
  out.push_back({"user", user_message(text)});
  return out;
}

int Task::find_label(std::string_view label_name) const {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const TaskLabel& label = labels[i];
    const auto is_it = [&](const std::string& known) { return same_name(known, label_name); };
    if (is_it(label.text) || is_it(label.display) ||
        std::any_of(label.aliases.begin(), label.aliases.end(), is_it))
      return static_cast<int>(i);
  }
  return -1;
}

std::uint64_t Task::prompt_digest() const {
  std::uint64_t digest = kFnvStart;
  const auto add_number = [&](std::uint64_t n) {
    unsigned char bytes[8];  // little-endian: calibration files hold the digest
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(n >> (8 * i));
    digest = fnv1a(bytes, sizeof bytes, digest);
  };
  const auto add = [&](std::string_view text) {
    add_number(text.size());
    digest = fnv1a(text.data(), text.size(), digest);
  };
  add(system);
  add(user_template);
  add_number(examples.size());
  for (const TaskExample& example : examples) {
    add(example.text);
    add(example.answer);
  }
  add_number(labels.size());
  for (const TaskLabel& label : labels) add(label.text);
  if (kind == TaskKind::extract) add(schema);
  add_number(content_free.size());
  for (const std::string& text : content_free) add(text);
  return digest;
}

Task Task::for_labels(const std::vector<std::string>& labels) {
  Task task;
  task.name = "labels";
  task.description = "Labels given with the text.";
  task.system = "你是一个文本分类助手。请判断以下内容属于哪一类，输出必须为 " + list_of(labels) +
                (labels.size() > 1 ? " 之一" : "") + "，不得添加任何解释。";
  task.user_template = "输入：{text}\n输出：";
  for (const std::string& label : labels) task.labels.push_back({label, label, "", {}});
  task.max_new_tokens = 5;
  task.sampling.temperature = 0;
  task.overflow = TextOverflow::truncate;
  if (const auto broken = tasks::validate_task(task)) fail(ErrorCode::invalid_argument, "labels: ", *broken);
  return task;
}

namespace tasks {

namespace {

bool valid_name(std::string_view name) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.size() <= kMaxName &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

std::optional<std::string> validate_labels(const Task& task) {
  if (task.labels.size() > kMaxLabels) return "more than " + std::to_string(kMaxLabels) + " labels";
  std::map<std::string, std::size_t> owners;  // a text, display text or alias belongs to one label
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    const TaskLabel& label = task.labels[i];
    const std::string where = "label " + std::to_string(i + 1);
    if (label.text.empty()) return where + " has an empty text";
    if (label.text.size() > kMaxLabelText)
      return where + " is longer than " + std::to_string(kMaxLabelText) + " bytes";
    if (label.text.find_first_of(" \t\r\n") == 0 ||
        label.text.find_last_of(" \t\r\n") == label.text.size() - 1)
      return where + " begins or ends with white space: " + qwen::quoted(label.text);
    std::vector<std::string> names = label.aliases;
    names.push_back(label.text);
    names.push_back(label.display);
    for (std::string& name : names) {
      std::transform(name.begin(), name.end(), name.begin(), lower);
      const std::size_t owner = owners.emplace(name, i).first->second;
      if (owner != i)
        return where + " has the name " + qwen::quoted(name) + ", as label " + std::to_string(owner + 1) +
               " does";
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> validate_task(const Task& task) {
  if (!valid_name(task.name))
    return "name: expected 1 to " + std::to_string(kMaxName) + " letters, digits, '_' or '-', found " +
           qwen::quoted(task.name);
  const std::size_t at = task.user_template.find(kPlace);
  if (at == std::string::npos || task.user_template.find(kPlace, at + 1) != std::string::npos)
    return "template: expected {text} exactly once";
  const bool classify = task.kind == TaskKind::classify;
  const bool extract = task.kind == TaskKind::extract;
  if (extract && task.schema.empty()) return "schema: a task of kind extract needs one";
  if (!extract && !task.schema.empty()) return "schema: only tasks of kind extract have one";
  if (classify && task.labels.empty()) return "labels: a task of kind classify needs at least one";
  if (!classify && !task.labels.empty()) return "labels: only tasks of kind classify have them";
  if (task.kind != TaskKind::generate && task.history)
    return "history: only tasks of kind generate keep turns";
  if (!classify && (task.abstain_below > 0 || !task.content_free.empty()))
    return "abstain_below and content_free: only for tasks of kind classify";
  if (const auto broken = validate_labels(task)) return "labels: " + *broken;
  for (const TaskExample& example : task.examples) {
    const auto is_it = [&](const TaskLabel& label) { return label.text == example.answer; };
    if (classify && std::none_of(task.labels.begin(), task.labels.end(), is_it))
      return "examples: the answer " + qwen::quoted(example.answer) + " is not a label's text";
  }
  return std::nullopt;
}

void require_valid(const Task& task) {
  if (const auto broken = validate_task(task))
    fail(ErrorCode::invalid_argument, "task ", qwen::quoted(task.name), ": ", *broken);
}

}  // namespace tasks
}  // namespace qwen
